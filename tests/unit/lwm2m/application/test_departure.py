"""What a gateway that ends waits for, and what it does not wait for."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.unit.lwm2m.application.images.server import DATA, Server

from sluice_lwm2m.application.departure import Departure
from sluice_lwm2m.domain.coap import message as coap

FIRST, NEXT = b"\x06", b"\x16"  # of 1,024 bytes
LAST = bytes((((len(DATA) - 1) // 1_024) << 4 | 6,))
FOR_EVER = 3_600.0


class Ending(Server):
    """A gateway that serves one device, and is about to end."""

    def __init__(self) -> None:
        super().__init__()
        self.takes_new = True

    def begin(self, *, downloads_end: float = FOR_EVER, commands_end: float = FOR_EVER) -> "asyncio.Task[None]":
        """Begin to end."""
        departure = Departure(
            self.sessions,
            take_no_new=self.take_no_new,
            commands_answered=self.commands.drain,
            downloads_end=downloads_end,
            commands_end=commands_end,
            clock=self.clock,
        )
        return asyncio.create_task(departure.wait())

    def take_no_new(self) -> None:
        """Note it."""
        self.takes_new = False


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[Ending]:
    made = Ending()
    async with made.tasks:
        yield made


async def ends(ending: "asyncio.Task[None]") -> None:
    await asyncio.wait_for(ending, 10)


async def goes_on(ending: "asyncio.Task[None]") -> None:
    await asyncio.sleep(0.3)
    assert not ending.done()


async def test_a_gateway_at_rest_ends_at_once_and_takes_no_new_devices(gateway: Ending) -> None:
    await ends(gateway.begin())
    assert not gateway.takes_new


async def test_a_download_under_way_goes_on_to_its_last_block(gateway: Ending) -> None:
    gateway.get(FIRST)
    ending = gateway.begin()
    await goes_on(ending)
    assert gateway.get(NEXT).code == coap.CONTENT
    await goes_on(ending)
    assert gateway.get(LAST).code == coap.CONTENT
    await ends(ending)


async def test_a_download_of_which_nothing_was_heard_for_long_keeps_nobody(gateway: Ending) -> None:
    gateway.get(FIRST)
    gateway.now += 31.0
    await ends(gateway.begin())


async def test_a_download_that_takes_too_long_goes_on_elsewhere(gateway: Ending) -> None:
    gateway.get(FIRST)
    await ends(gateway.begin(downloads_end=0.05))


@pytest.mark.parametrize("commands_end", [0.05, FOR_EVER])
async def test_commands_in_flight_are_waited_for_as_long_as_there_is_time(gateway: Ending, commands_end: float) -> None:
    answering = asyncio.Event()
    gateway.commands._start("d", _until(answering))
    ending = gateway.begin(commands_end=commands_end)
    if commands_end == FOR_EVER:
        await goes_on(ending)
        answering.set()
    await ends(ending)


async def _until(event: asyncio.Event) -> None:
    await event.wait()
