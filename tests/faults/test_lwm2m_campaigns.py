"""Services are killed and held in mid-campaign with full windows; the invariants are checked at the devices."""

from pathlib import Path

import pytest
from rich.console import Console
from tests.faults.campaigns import Meanwhile, held, killed, lwm2m_campaign, rolled, when_full

from sluice_demo.judgement import judge
from sluice_demo.run import Place, run
from sluice_embedded.adapters.sockets import free_base

EVERYTHING = (
    "lwm2m-gateway",
    "scheduler-devices",
    "scheduler-cells",
    "relay",
    "projector",
    "notifier",
    "signing",
    "mqtt-gateway",
    "api",
)


@pytest.mark.requirement("R067", "R072", "R073", "R087", "R143")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(
            when_full(killed("lwm2m-gateway", "scheduler-devices", "scheduler-cells"), first=killed("relay")),
            id="relay-killed-while-it-expands-then-gateway-then-scheduler",
            marks=pytest.mark.short,
        ),
        pytest.param(when_full(killed("lwm2m-gateway")), id="gateway-killed"),
        pytest.param(when_full(rolled(*EVERYTHING)), id="everything-restarted-in-good-order"),
        pytest.param(when_full(killed("scheduler-devices", "scheduler-cells")), id="scheduler-killed"),
        pytest.param(when_full(held("scheduler-cells", "scheduler-devices")), id="scheduler-held"),
    ],
)
async def test_a_campaign_completes_within_its_limits_whatever_happens_to_a_service(
    meanwhile: Meanwhile, tmp_path: Path
) -> None:
    place = Place(port_base=free_base(), state_dir=tmp_path)
    judgement = judge(await run(lwm2m_campaign(), place, Console(), meanwhile=meanwhile))

    assert judgement.report.violations == 0, judgement.differences
    assert judgement.report.succeeded == judgement.report.devices, judgement.differences
    assert judgement.report.callbacks.received == judgement.report.devices
    assert not judgement.differences
