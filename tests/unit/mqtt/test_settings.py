"""Settings that are made of others."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sluice_common.background import BackgroundTasks
from sluice_common.mongo import connect
from sluice_mqtt.bootstrap import build
from sluice_mqtt.settings import GatewaySettings


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:17030"),
        ({"download_host": "::1", "download_port": 80}, "http://[::1]:80"),
        ({"download_tls_cert": Path("x.pem")}, "https://127.0.0.1:17030"),
        ({"download_public_url": "https://fota.example/base/"}, "https://fota.example/base"),
    ],
)
def test_the_download_url_is_the_public_one_or_made_of_host_port_and_certificate(
    given: dict[str, Any], url: str
) -> None:
    assert GatewaySettings(**given).download_url == url


@pytest.mark.parametrize("url", ["http://broker", "mqtt://user:password@broker", "mqtt://broker/path", "broker:1883"])
def test_a_broker_is_named_by_a_url_without_secrets(url: str) -> None:
    with pytest.raises(ValidationError):
        GatewaySettings(mqtt_url=url)


def test_two_gateways_of_one_host_have_different_client_ids_that_stay_after_a_restart() -> None:
    first, second = (GatewaySettings(mqtt_hook_port=port).client_id for port in (17_031, 17_131))
    assert first != second
    assert GatewaySettings(mqtt_hook_port=17_031).client_id == first
    assert GatewaySettings(mqtt_client_id="sluice-gateway-3").client_id == "sluice-gateway-3"


def test_a_drain_that_the_grace_period_would_cut_off_is_refused() -> None:
    assert GatewaySettings(download_drain=590, shutdown_grace=600).download_drain == 590
    with pytest.raises(ValidationError, match="SLUICE_SHUTDOWN_GRACE"):
        GatewaySettings(download_drain=591, shutdown_grace=600)


async def test_a_gateway_without_a_token_key_does_not_start() -> None:
    settings = GatewaySettings(download_token_keys="")
    async with connect(settings) as database:
        with pytest.raises(ValueError, match="download_token_keys needs at least one key"):
            build(settings, database, BackgroundTasks())
