"""What services are told of the parts that the system runs itself."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from sluice_embedded.domain.services import MQTT_GATEWAY
from sluice_embedded.layout import Layout
from sluice_embedded.settings import EmbeddedSettings


def gateway_env(folder: Path, url: str | None, **env: str) -> dict[str, str]:
    layout = Layout(EmbeddedSettings(state_dir=folder, mqtt_url=url), None, env)
    (service,) = [service for service in layout.services() if service.name == MQTT_GATEWAY]
    return dict(layout.program(service).env)


def test_the_gateway_knows_what_the_embedded_broker_does_better_than_others_must(tmp_path: Path) -> None:
    env = gateway_env(tmp_path, None)
    assert (env["SLUICE_MQTT_BROKER_LISTS"], env["SLUICE_MQTT_SESSION_EXPIRY"]) == ("true", "3600")
    assert gateway_env(tmp_path, None, SLUICE_MQTT_SESSION_EXPIRY="7")["SLUICE_MQTT_SESSION_EXPIRY"] == "7"


def test_of_another_broker_it_knows_what_its_owner_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLUICE_MQTT_BROKER_LISTS", raising=False)
    assert "SLUICE_MQTT_BROKER_LISTS" not in gateway_env(tmp_path, "mqtt://broker")


def test_services_are_told_where_the_parts_listen(tmp_path: Path) -> None:
    layout = Layout(EmbeddedSettings(state_dir=tmp_path, parts_listen=IPv4Address("127.0.0.9")), None, {})
    common = layout.common()
    assert common.kafka_bootstrap == "127.0.0.9:17001"
    assert common.mongodb_uri == "mongodb://127.0.0.9:17003/?directConnection=true"
