"""What happens when the gateway, the broker or Kafka is killed or stopped."""

import asyncio
import signal

from tests.integration.mqtt.bus import Bus
from tests.integration.mqtt.commands import ask_slowly, close, fetch, offer, query, read_until_cut
from tests.integration.mqtt.conftest import NewDevice
from tests.integration.mqtt.mqtt_device import Device
from tests.integration.mqtt.system import System
from tests.integration.mqtt.waiting import until

from sluice_common.ids import new_id
from sluice_common.messages.device_events import DeviceDeregistered, DeviceUplink, VersionReported


async def test_a_restarted_gateway_knows_which_attempts_may_download(
    new_device: NewDevice, bus: Bus, system: System, image: tuple[str, bytes]
) -> None:
    current, closed = await new_device(), await new_device()
    offers = []
    for device in (current, closed):
        await device.connect()
        task_id = new_id()
        await bus.command(offer(device, image, task_id))
        offers.append((await device.next_service())["paras"])
    await bus.command(close(closed, task_id))
    pid = system.stack.kill("mqtt-gateway")
    await asyncio.to_thread(system.stack.wait_restarted, "mqtt-gateway", pid)
    assert [fetch(paras).status_code for paras in offers] == [200, 403]


async def test_a_report_that_is_sent_while_the_gateway_is_down_arrives_after_its_restart(
    device: Device, bus: Bus, system: System
) -> None:
    await device.connect()
    await bus.wait(device, DeviceUplink)
    pid = system.stack.kill("mqtt-gateway")
    device.report("version_report", fw_version="while-away")
    await asyncio.to_thread(system.stack.wait_restarted, "mqtt-gateway", pid)
    assert (await bus.wait(device, VersionReported))[0].firmware_version == "while-away"


async def test_a_report_is_acknowledged_only_when_kafka_has_it(device: Device, bus: Bus, system: System) -> None:
    await device.connect()
    await bus.wait(device, DeviceUplink)
    system.stack.kill("kafka", signal.SIGSTOP)
    try:
        device.report("version_report", fw_version="kept")
        await asyncio.sleep(2.0)  # the gateway has it, Kafka cannot take it
        pid = system.stack.kill("mqtt-gateway")
    finally:
        system.stack.kill("kafka", signal.SIGCONT)
    await asyncio.to_thread(system.stack.wait_restarted, "mqtt-gateway", pid)
    assert (await bus.wait(device, VersionReported))[0].firmware_version == "kept"


async def test_the_gateway_reconnects_after_the_broker_was_killed(device: Device, bus: Bus, system: System) -> None:
    await device.connect()
    (first,) = await bus.wait(device, DeviceUplink)
    pid = system.stack.kill("mqtt")
    waiting = query(device)
    await bus.command(waiting)
    await asyncio.to_thread(system.stack.wait_restarted, "mqtt", pid, 180.0)
    (left,) = await bus.wait(device, DeviceDeregistered)
    assert left.epoch == first.epoch
    await device.disconnect()
    await device.come_back()
    again = (await bus.wait(device, DeviceUplink, 2))[1]
    assert again.epoch > first.epoch

    async def asked() -> bool | None:
        await bus.command(query(device))
        await asyncio.sleep(0.5)
        return not device.received.empty() or None

    await until(asked)
    device.report("version_report", fw_version="after")
    assert (await bus.wait(device, VersionReported))[0].firmware_version == "after"


async def test_reports_wait_for_kafka_without_a_restart_of_the_gateway(
    device: Device, bus: Bus, system: System
) -> None:
    await device.connect()
    await bus.wait(device, DeviceUplink)
    pid = system.stack.pid("mqtt-gateway")
    await asyncio.to_thread(system.stack.stop_service, "kafka")
    try:
        for number in range(50):
            device.report("version_report", fw_version=str(number))
        await asyncio.sleep(35.0)  # longer than a send to Kafka may take
    finally:
        await asyncio.to_thread(system.stack.start_service, "kafka")

    async def all_arrived() -> bool | None:
        found = {report.firmware_version for report in bus.of(device, VersionReported)}
        return found == {str(number) for number in range(50)} or None

    await until(all_arrived, 120.0)
    assert system.stack.pid("mqtt-gateway") == pid


async def test_kafka_that_is_held_ends_neither_the_gateway_nor_its_downloads(
    device: Device, bus: Bus, system: System, image: tuple[str, bytes]
) -> None:
    await device.connect()
    await bus.command(offer(device, image, new_id()))
    paras = (await device.next_service())["paras"]
    pid, waited = system.stack.pid("mqtt-gateway"), system.log.read_text().count("a message has waited")
    system.stack.kill("kafka", signal.SIGSTOP)
    try:
        device.report("version_report", fw_version="kept")

        async def is_given_up() -> bool | None:
            return system.log.read_text().count("a message has waited") > waited + 1 or None

        await until(is_given_up)
        assert (await asyncio.to_thread(fetch, paras)).content == image[1]
    finally:
        system.stack.kill("kafka", signal.SIGCONT)
    assert (await bus.wait(device, VersionReported))[0].firmware_version == "kept"
    assert system.stack.pid("mqtt-gateway") == pid


async def test_a_gateway_that_ends_in_an_orderly_way_loses_no_report(device: Device, bus: Bus, system: System) -> None:
    await device.connect()
    await bus.wait(device, DeviceUplink)
    for number in range(20):
        device.report("version_report", fw_version=str(number))
    await asyncio.to_thread(system.stack.stop_service, "mqtt-gateway")
    for number in range(20, 40):
        device.report("version_report", fw_version=str(number))
    await asyncio.to_thread(system.stack.start_service, "mqtt-gateway")
    await bus.wait(device, VersionReported, 40)
    assert {report.firmware_version for report in bus.of(device, VersionReported)} == {str(n) for n in range(40)}


async def test_a_gateway_that_ends_still_ends_downloads_whose_attempt_is_closed(
    device: Device, bus: Bus, system: System, image: tuple[str, bytes]
) -> None:
    await device.connect()
    task_id = new_id()
    await bus.command(offer(device, image, task_id))
    paras = (await device.next_service())["paras"]

    before = len(system.log.read_text())

    async def waits_for_downloads() -> bool | None:
        return "downloads_draining" in system.log.read_text()[before:] or None

    async def has_ended_it() -> bool | None:
        return "the attempt is closed" in system.log.read_text()[before:] or None

    with ask_slowly(paras) as connection:
        end = asyncio.create_task(asyncio.to_thread(system.stack.stop_service, "mqtt-gateway"))
        await until(waits_for_downloads)
        await bus.command(close(device, task_id))
        await until(has_ended_it)
        await end
        received = await asyncio.to_thread(read_until_cut, connection)
    await asyncio.to_thread(system.stack.start_service, "mqtt-gateway")
    assert received < len(image[1]) // 2


async def test_the_gateway_reconnects_to_a_broker_that_delivers_nothing(
    device: Device, bus: Bus, system: System
) -> None:
    await device.connect()
    await bus.wait(device, DeviceUplink)
    system.stack.kill("mqtt", signal.SIGSTOP)
    try:

        async def is_noticed() -> bool | None:
            return "the broker delivers nothing" in system.log.read_text() or None

        await until(is_noticed)
    finally:
        system.stack.kill("mqtt", signal.SIGCONT)
    await device.disconnect()
    await device.come_back()
    device.report("version_report", fw_version="after")
    assert (await bus.wait(device, VersionReported))[0].firmware_version == "after"
