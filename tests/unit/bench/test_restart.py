"""What `bench restart` measures, when its targets are met, and the campaign that stands still."""

import time
from typing import Any

import pytest

from sluice_bench.gateway import SimulatedGateway
from sluice_bench.restart import SERVICES, figures, measured_services
from sluice_common.messages.base import utc
from sluice_common.messages.device_events import FirmwareState, FirmwareStateNotified
from sluice_common.messages.lwm2m_commands import DeviceRequests, WritePackageUri


def _restart(seconds: float, *, is_empty: bool = False) -> dict[str, Any]:
    return {"answers_s": {"first": 0.1, "second": seconds}, "is_empty": is_empty}


@pytest.mark.parametrize(("devices", "target"), [(100_000, 10.0), (1_000_000, 60.0)])
def test_every_answer_must_come_within_the_target_of_that_many_devices(devices: int, target: float) -> None:
    assert figures(devices, {"api": _restart(target)})["met"]
    assert not figures(devices, {"api": _restart(0.1), "relay": _restart(target + 0.1)})["met"]


def test_an_empty_volume_has_no_target() -> None:
    assert figures(100_000, {"scheduler-devices": _restart(1_000.0, is_empty=True)})["met"]


def test_all_services_are_measured_but_no_gateway_beyond_100_000_devices() -> None:
    assert measured_services(100_000, None) == list(SERVICES)
    assert set(SERVICES) - set(measured_services(100_001, None)) == {"lwm2m-gateway", "mqtt-gateway"}
    assert measured_services(1_000_000, ["mqtt-gateway", "api"]) == ["api", "mqtt-gateway"]


def test_an_endless_download_begins_and_stays_where_it_is() -> None:
    gateway = SimulatedGateway({"device": 1}, "1.0.0", "2.0.0", endless=True)
    write = WritePackageUri(image_id="image", image_size=1, not_after=utc(time.time() + 60))
    command = DeviceRequests(
        app_id="bench",
        occurred_at=utc(0),
        device_id="device",
        command_id="command",
        execution_id="task:device",
        attempt=1,
        epoch=1,
        expires_at=utc(time.time() + 60),
        requests=(write,),
    )
    notified = [event.state for event in gateway.answer(command) if isinstance(event, FirmwareStateNotified)]
    assert notified == [FirmwareState.DOWNLOADING]
