"""Messages of devices on their way to Kafka."""

import asyncio
import json
from typing import Any

import pytest
from tests.unit.mqtt.fakes import FakeDeadLetters, FakeDevices, FakeEvents

from sluice_common.messages.device_events import DeviceUplink, UpgradeProgressReported, UplinkKind, VersionReported
from sluice_mqtt.application.mailboxes import Mailboxes
from sluice_mqtt.application.uplinks import UplinkHandler
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.presence import Boot, Presence

NOW = 1_700_000_000.0
TOPIC = "$oc/devices/d1/sys/events/up"


def service(event_type: str, **paras: Any) -> dict[str, Any]:
    return {"service_id": "$ota", "event_type": event_type, "paras": paras}


def message(*services: Any, device_id: str = "d1") -> bytes:
    return json.dumps({"object_device_id": device_id, "services": services}).encode()


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def presence() -> Presence:
    presence = Presence()
    presence.connected(Boot("n", "b"), "d1", 100, NOW)
    return presence


@pytest.fixture
def handler(
    devices: FakeDevices, events: FakeEvents, dead_letters: FakeDeadLetters, presence: Presence, counters: Counters
) -> UplinkHandler:
    return UplinkHandler(
        Mailboxes(devices, events),
        presence,
        dead_letters,
        max_bytes=1024,
        counters=counters,
        clock=lambda: NOW,
    )


async def test_reports_of_a_message_are_published_in_their_order(handler: UplinkHandler, events: FakeEvents) -> None:
    reports = (
        service("upgrade_progress_report", result_code=0, progress=100, version="2.0", description="ok"),
        service("version_report", fw_version="2.0"),
    )
    await handler.handle(TOPIC, message(*reports))
    progress, version = events.published
    assert isinstance(progress, UpgradeProgressReported)
    assert (progress.app_id, progress.device_id, progress.result_code, progress.progress) == ("app", "d1", 0, 100)
    assert (progress.version, progress.description, progress.at) == ("2.0", "ok", NOW)
    assert isinstance(version, VersionReported)
    assert (version.firmware_version, version.software_version) == ("2.0", None)


async def test_a_message_of_a_device_known_as_offline_is_published_after_an_uplink(
    handler: UplinkHandler, events: FakeEvents, presence: Presence
) -> None:
    presence.disconnected(Boot("n", "b"), "d1", 100, NOW - 60.0)
    await handler.handle(TOPIC, message(service("version_report", fw_version="2.0")))
    uplink, version = events.published
    assert isinstance(uplink, DeviceUplink)
    assert (uplink.kind, uplink.epoch, uplink.awake_until.year) == (UplinkKind.DATA, int(NOW * 1000), 9999)
    assert isinstance(version, VersionReported)


async def test_a_will_of_a_device_that_has_just_gone_does_not_make_it_online(
    handler: UplinkHandler, events: FakeEvents, presence: Presence
) -> None:
    presence.disconnected(Boot("n", "b"), "d1", 100, NOW - 1.0)
    await handler.handle(TOPIC, message(service("version_report", fw_version="2.0")))
    (version,) = events.published
    assert (version.firmware_version, version.live) == ("2.0", False)
    assert not presence.is_online("d1")


async def test_a_report_that_has_waited_does_not_make_a_device_online_that_no_list_has_named(
    devices: FakeDevices, events: FakeEvents, dead_letters: FakeDeadLetters
) -> None:
    presence = Presence(has_lists=True)
    handler = UplinkHandler(
        Mailboxes(devices, events), presence, dead_letters, max_bytes=1024, counters=Counters(), clock=lambda: NOW
    )
    report = message(service("upgrade_progress_report", result_code=0))
    await handler.handle(TOPIC, report)
    presence.listed(Boot("n", "b"), [("d1", 100)], NOW)
    await handler.handle(TOPIC, report)
    assert [event.live for event in events.published] == [False, True]


async def test_reports_of_one_device_keep_their_order_however_long_the_first_is_looked_up(
    devices: FakeDevices, events: FakeEvents, handler: UplinkHandler
) -> None:
    devices.delays = [0.0, 0.0, 0.05]
    reports = [message(service("version_report", fw_version=str(number))) for number in range(3)]
    await asyncio.gather(*(handler.handle(TOPIC, report) for report in reports))
    assert [event.firmware_version for event in events.published] == ["0", "1", "2"]


@pytest.mark.parametrize("payload", [b"no json", b"[]"])
async def test_a_message_that_cannot_be_understood_shows_that_its_device_is_online_and_told_no_version(
    handler: UplinkHandler, events: FakeEvents, presence: Presence, counters: Counters, payload: bytes
) -> None:
    presence.disconnected(Boot("n", "b"), "d1", 100, NOW - 60.0)
    await handler.handle(TOPIC, payload)
    uplink, version = events.published
    assert isinstance(uplink, DeviceUplink)
    assert isinstance(version, VersionReported)
    assert (version.firmware_version, version.software_version) == (None, None)
    assert (counters[Counted.NOT_JSON] + counters[Counted.MALFORMED], counters[Counted.REPORTS]) == (1, 0)


@pytest.mark.parametrize(
    ("sent", "counted"),
    [
        ((TOPIC, b"x" * 1025), Counted.OVERSIZED),
        ((TOPIC, message(device_id="d2")), Counted.FOREIGN),
        ((TOPIC, message({"service_id": "$log"})), Counted.PASSED_OVER),
        ((TOPIC, message(service("upgrade_progress_report"))), Counted.MALFORMED),
        (("$oc/devices/d1/sys/messages/up", message()), Counted.FOREIGN),
        (("$oc/devices/d9/sys/events/up", message(service("version_report"), device_id="")), Counted.UNKNOWN_DEVICES),
    ],
)
async def test_a_message_without_a_report_of_a_known_device_is_counted_and_not_published(
    handler: UplinkHandler, events: FakeEvents, counters: Counters, sent: tuple[str, bytes], counted: Counted
) -> None:
    await handler.handle(*sent)
    assert counters[counted] == 1
    assert events.published == []


async def test_a_message_that_the_gateway_fails_at_is_dead_lettered_and_counted(
    handler: UplinkHandler, devices: FakeDevices, dead_letters: FakeDeadLetters, counters: Counters
) -> None:
    devices.failure = RuntimeError("a mistake")
    payload = message(service("version_report", fw_version="2.0"))
    await handler.handle(TOPIC, payload)
    assert dead_letters.published == [(TOPIC, payload, "RuntimeError('a mistake')")]
    assert counters[Counted.DEAD_LETTERED] == 1
