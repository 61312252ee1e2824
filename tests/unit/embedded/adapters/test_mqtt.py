import re
import stat
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from sluice_embedded.adapters import mqtt
from sluice_embedded.domain.ports import Ports
from sluice_embedded.settings import EmbeddedSettings


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mqtt.Mqtt:
    """The broker of a state folder, with nothing installed."""
    monkeypatch.setattr(mqtt, "ensure", lambda parts: parts / "mqtt" / "0123-4567.jar")
    tool = tmp_path / "java"
    tool.write_text("#!/bin/sh\necho 17 >&2\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    settings = EmbeddedSettings(state_dir=tmp_path / "a & b", parts_dir=tmp_path / "parts", mqtt_max_packet=4_096)
    return mqtt.Mqtt(settings, Ports(20_000), "hook secret")


def config(broker: mqtt.Mqtt) -> ET.Element:
    return ET.parse(broker.program().cwd / "conf" / "config.xml").getroot()  # noqa: S314 - we have written it


def test_it_listens_with_and_without_tls(broker: mqtt.Mqtt) -> None:
    root = config(broker)
    assert [element.text for element in root.iter("port")] == ["20020", "20021"]
    assert {element.text for element in root.iter("bind-address")} == {"127.0.0.1"}
    assert [element.text for element in root.iter("max-packet-size")] == ["4096"]
    assert [element.text for element in root.iter("mode")] == ["in-memory"]


def test_it_sends_no_statistics_to_its_maker(broker: mqtt.Mqtt) -> None:
    statistics = config(broker).find("anonymous-usage-statistics/enabled")
    assert statistics is not None
    assert statistics.text == "false"


def test_secrets_are_neither_in_the_command_line_nor_readable_by_others(broker: mqtt.Mqtt) -> None:
    program = broker.program()
    assert not any("hook secret" in argument for argument in program.argv)
    assert program.env["SLUICE_MQTT_HOOK_SECRET"] == "hook secret"
    assert stat.S_IMODE((program.cwd / "conf" / "config.xml").stat().st_mode) == 0o600


def test_the_extension_comes_before_the_jars_of_its_broker(broker: mqtt.Mqtt) -> None:
    argv = list(broker.program().argv)
    first, libs = argv[argv.index("-cp") + 1].split(":")
    assert first.endswith("/mqtt/0123-4567.jar")
    assert libs.endswith("/mqtt/0123/*")


def test_the_pins_name_the_version_of_the_pom() -> None:
    version = re.search(r"hivemq-community-edition-embedded</artifactId>\s*<version>([^<]+)", mqtt.POM.read_text())
    assert version is not None
    assert f"hivemq-community-edition-embedded-{version[1]}.jar" in mqtt.JARS.read_text()


def test_it_asks_the_hooks_of_a_gateway_elsewhere_if_it_is_told_of_one(broker: mqtt.Mqtt) -> None:
    assert broker.program().env["SLUICE_BROKER_HOOK_URL"] == "http://127.0.0.1:20031/mqtt"
    broker._settings.broker_hook_url = "http://192.0.2.7:30031/mqtt"
    assert broker.program().env["SLUICE_BROKER_HOOK_URL"] == "http://192.0.2.7:30031/mqtt"
