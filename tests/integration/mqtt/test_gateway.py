"""A device, the broker, the gateway and Kafka, without faults."""

import asyncio
import json
import time
from typing import Any

import pytest
from gmqtt.mqtt.handler import MQTTConnectError
from tests.integration.mqtt.bus import Bus
from tests.integration.mqtt.commands import ask_slowly, close, fetch, offer, query, read_until_cut
from tests.integration.mqtt.conftest import NewDevice
from tests.integration.mqtt.mqtt_device import Device
from tests.integration.mqtt.system import System
from tests.integration.mqtt.waiting import until

from sluice_common.ids import new_id
from sluice_common.messages.device_events import (
    DeviceDeregistered,
    DeviceUplink,
    DownloadProgressed,
    UpgradeProgressReported,
    UplinkKind,
    VersionReported,
)
from sluice_common.mongo import Database


async def test_a_device_logs_in_with_both_modes(device: Device) -> None:
    for mode in (0, 1):
        await device.connect(mode=mode)
        await device.disconnect()


async def test_a_wrong_password_is_refused(device: Device) -> None:
    with pytest.raises(MQTTConnectError):
        await device.connect(password="0" * 64)


async def test_a_device_logs_in_with_a_new_secret_at_once(device: Device, database: Database, system: System) -> None:
    await device.connect()
    await device.disconnect()
    device.secret = b"a-new-secret-of-it"
    sealed = {"mqtt_secret": system.sealer.seal(device.secret)}
    await database["devices"].update_one({"_id": device.device_id}, {"$set": sealed})
    await asyncio.sleep(1.0)
    await device.connect()


async def test_a_deleted_device_is_disconnected_and_cannot_log_in(
    new_device: NewDevice, database: Database, bus: Bus
) -> None:
    kept, deleted = await new_device(), await new_device()
    for device in (kept, deleted):
        await device.connect()
        await bus.wait(device, DeviceUplink)
    await database["devices"].delete_one({"_id": deleted.device_id})

    async def is_out() -> bool | None:
        return not deleted.is_connected or None

    await until(is_out, 15.0)
    assert kept.is_connected
    with pytest.raises(MQTTConnectError):
        await deleted.connect()


@pytest.mark.requirement("R091")
async def test_presence_is_published_with_the_epoch_of_the_connection(device: Device, bus: Bus) -> None:
    before = int(time.time() * 1000)
    await device.connect()
    (uplink,) = await bus.wait(device, DeviceUplink)
    assert (uplink.kind, uplink.gateway, uplink.app_id) == (UplinkKind.REGISTER, 0, "app-1")
    assert before <= uplink.epoch <= int(time.time() * 1000)
    assert uplink.awake_until.year == 9999
    await device.disconnect()
    (left,) = await bus.wait(device, DeviceDeregistered)
    assert left.epoch == uplink.epoch


@pytest.mark.requirement("R093")
async def test_a_device_is_asked_for_its_version_and_answers(device: Device, bus: Bus) -> None:
    await device.connect()
    await bus.wait(device, DeviceUplink)
    await bus.command(query(device))
    assert (await device.next_service())["event_type"] == "version_query"
    device.report("version_report", fw_version="1.0", sw_version="s")
    (report,) = await bus.wait(device, VersionReported)
    assert (report.firmware_version, report.software_version, report.app_id) == ("1.0", "s", "app-1")


@pytest.mark.requirement("R097", "R098", "R100")
async def test_a_device_downloads_what_it_is_offered_and_reports_success(
    device: Device, bus: Bus, image: tuple[str, bytes]
) -> None:
    await device.connect()
    task_id = new_id()
    await bus.command(offer(device, image, task_id))
    paras = (await device.next_service())["paras"]
    response = fetch(paras)
    assert (response.status_code, response.content) == (200, image[1])
    assert fetch(paras, Range="bytes=300000-300009").content == image[1][300_000:300_010]
    first, last = await bus.wait(device, DownloadProgressed, 2)
    assert (first.complete, last.complete, last.attempt) == (False, True, 1)
    assert last.execution_id == f"{task_id}:{device.device_id}"
    device.report("upgrade_progress_report", result_code=0, progress=100, version="2.0", description="done")
    (report,) = await bus.wait(device, UpgradeProgressReported)
    assert (report.result_code, report.progress, report.version) == (0, 100, "2.0")


async def refused(paras: dict[str, Any]) -> bool | None:
    """Return True once an image is forbidden."""
    return fetch(paras).status_code == 403 or None


@pytest.mark.requirement("R099")
async def test_the_token_of_a_closed_or_older_attempt_is_refused_within_seconds(
    device: Device, bus: Bus, image: tuple[str, bytes]
) -> None:
    await device.connect()
    task_id = new_id()
    await bus.command(offer(device, image, task_id, 1))
    first = (await device.next_service())["paras"]
    await bus.command(offer(device, image, task_id, 2))
    second = (await device.next_service())["paras"]
    await until(lambda: refused(first), 5.0)
    assert fetch(second).status_code == 200
    await bus.command(close(device, task_id, 2))
    await until(lambda: refused(second), 5.0)


async def test_a_download_that_flows_ends_when_its_attempt_is_closed(
    device: Device, bus: Bus, image: tuple[str, bytes]
) -> None:
    await device.connect()
    task_id = new_id()
    await bus.command(offer(device, image, task_id))
    paras = (await device.next_service())["paras"]
    with ask_slowly(paras) as connection:
        await asyncio.sleep(1.0)  # by now the gateway's kernel has what it takes
        await bus.command(close(device, task_id))
        await until(lambda: refused(paras), 10.0)
        received = await asyncio.to_thread(read_until_cut, connection)
    assert received < len(image[1]) // 2
    assert not any(event.complete for event in bus.of(device, DownloadProgressed))


async def test_a_will_tells_a_result_and_does_not_make_a_device_online_that_has_gone(device: Device, bus: Bus) -> None:
    await device.connect(will=device.report_bytes("version_report", fw_version="last words"))
    await bus.wait(device, DeviceUplink)
    device.cut()
    (report,) = await bus.wait(device, VersionReported)
    assert report.firmware_version == "last words"
    await bus.wait(device, DeviceDeregistered)
    assert len(bus.of(device, DeviceUplink)) == 1


async def test_a_stolen_token_serves_nothing_but_its_own_path(
    new_device: NewDevice, bus: Bus, image: tuple[str, bytes]
) -> None:
    victim, thief = await new_device(), await new_device()
    offers = []
    for device in (victim, thief):
        await device.connect()
        await bus.command(offer(device, image, new_id()))
        offers.append((await device.next_service())["paras"])
    stolen, own = offers
    mixed = own | {"access_token": stolen["access_token"]}
    assert fetch(mixed).status_code == 403
    assert fetch(own | {"access_token": own["access_token"].swapcase()}).status_code == 401
    assert fetch(own).status_code == 200


async def test_messages_without_reports_do_not_delay_those_of_other_devices(
    new_device: NewDevice, bus: Bus, system: System
) -> None:
    hostile, good = await new_device(), await new_device()
    await hostile.connect()
    await good.connect()
    useless = [
        b"no json",
        b"\xff\xfe",
        b"[" * 50_000,
        b"x" * 70_000,
        json.dumps({"object_device_id": good.device_id, "services": []}).encode(),
        b'{"services": [{"service_id": "$log", "event_type": "log_report", "event_id": ""}]}',
        b'{"services": [{"service_id": "$ota", "event_type": "upgrade_progress_report", "paras": {}}]}',
    ]
    for number in range(2_100):  # twice as many as may be unacknowledged
        hostile.send(useless[number % len(useless)] if number < 70 else b"no json")
    hostile.send(b"{}", f"$oc/devices/{good.device_id}/sys/events/up")
    good.report("version_report", fw_version="1.0")
    assert len(await bus.wait(good, VersionReported)) == 1
    assert bus.of(good, UpgradeProgressReported) == []
    hostile.report("version_report", fw_version="1.0")
    await bus.wait(hostile, VersionReported)
    assert "message_not_handled" not in system.log.read_text()


async def test_secrets_and_tokens_are_not_logged(
    device: Device, bus: Bus, image: tuple[str, bytes], system: System
) -> None:
    await device.connect()
    await bus.command(offer(device, image, new_id()))
    paras = (await device.next_service())["paras"]
    fetch(paras)
    fetch(paras | {"url": paras["url"].replace("/1/", "/2/")})
    log = system.log.read_text()
    assert "download_refused" in log
    assert paras["access_token"] not in log
    assert device.secret.decode() not in log
