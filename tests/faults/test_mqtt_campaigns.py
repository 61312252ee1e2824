"""Services are killed and held in mid-campaign of MQTT devices; the invariants are checked at the devices."""

from pathlib import Path

import pytest
from rich.console import Console
from tests.faults.campaigns import Meanwhile, away, killed, mqtt_campaign, when_mqtt_downloads

from sluice_demo.judgement import judge
from sluice_demo.run import Place, run
from sluice_embedded.adapters.sockets import free_base


@pytest.mark.requirement("R099", "R102", "R143")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(
            when_mqtt_downloads(killed("mqtt", "mqtt-gateway")),
            id="broker-then-gateway-killed",
            marks=pytest.mark.short,
        ),
        pytest.param(when_mqtt_downloads(away("kafka", 30.0)), id="kafka-away"),
    ],
)
async def test_mqtt_devices_upgrade_within_their_tasks_limit_whatever_happens(
    meanwhile: Meanwhile, tmp_path: Path
) -> None:
    place = Place(port_base=free_base(), state_dir=tmp_path)
    judgement = judge(await run(mqtt_campaign(), place, Console(), meanwhile=meanwhile))

    assert judgement.report.violations == 0, judgement.differences
    assert judgement.report.succeeded == judgement.report.devices, judgement.differences
    assert not judgement.differences
