"""Two processes with one ordinal: the older one ends, and no device notices more than a retransmission."""

import asyncio
import contextlib

import aiocoap
from tests.integration.lwm2m.conftest import NewDevice, NewGateway
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import Platform
from tests.integration.lwm2m.raw_client import RawClient, update_datagram

from sluice_common.lifecycle import FENCED_STATUS
from sluice_common.messages.device_events import CommandOutcome, DeviceUplink, OutcomeStatus
from sluice_common.messages.lwm2m_commands import Read

VERSION = "/3/0/3"


async def begin(new_gateway: NewGateway, ordinal: int | None = None) -> GatewayProcess:
    """Start a gateway while devices go on."""
    return await asyncio.to_thread(new_gateway, ordinal)


async def test_the_older_of_two_processes_with_one_ordinal_ends_and_the_newer_answers_every_request(
    new_gateway: NewGateway, new_device: NewDevice, platform: Platform
) -> None:
    older = await begin(new_gateway)
    device = await new_device(older)
    await device.register()
    await platform.wait_for(device, DeviceUplink)

    client, answered = RawClient(older.port), list[int]()

    async def update_without_end() -> None:
        while True:
            answered.append(await client.ask(update_datagram(device.location, len(answered))))

    updating = asyncio.create_task(update_without_end())
    newer = await begin(new_gateway, older.ordinal)
    assert await asyncio.to_thread(older.ended) == FENCED_STATUS
    assert '"event": "ordinal_lost"' in older.log()
    before = len(answered)
    client.move_to(newer.port)  # as a Service does whose old end point is gone
    async with asyncio.timeout(30):
        while len(answered) < before + 10:
            await asyncio.sleep(0.01)
    updating.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await updating
    client.close()
    assert set(answered) == {int(aiocoap.CHANGED)}
    assert newer.runs


async def test_a_command_that_the_older_process_had_in_hand_is_answered_by_the_newer(
    new_gateway: NewGateway, new_device: NewDevice, platform: Platform
) -> None:
    older = await begin(new_gateway)
    device = await new_device(older)
    await device.register()
    await platform.wait_for(device, DeviceUplink)
    device.version.delay = 5.0
    command = await platform.command(device, Read(path=VERSION))
    async with asyncio.timeout(10):
        while not device.version.requests:
            await asyncio.sleep(0.01)

    await begin(new_gateway, older.ordinal)
    assert await asyncio.to_thread(older.ended) == FENCED_STATUS
    assert (await platform.outcome(device, command)).status == OutcomeStatus.DONE
    assert len(platform.events(device, CommandOutcome)) == 1


async def test_a_process_that_has_left_in_good_order_keeps_nobody_waiting(new_gateway: NewGateway) -> None:
    first = await begin(new_gateway)
    assert await asyncio.to_thread(first.stop) == 0
    await begin(new_gateway, first.ordinal)
    assert "ordinal_lost" not in first.log()
