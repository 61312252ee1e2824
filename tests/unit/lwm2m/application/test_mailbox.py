"""Turns of a device: one at a time, in order, and none is lost."""

import asyncio

import pytest

from sluice_lwm2m.application.mailbox import Mailbox, MailboxFullError


class Log:
    """Work that notes when it begins and ends."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.lines: list[str] = []
        self.gate = asyncio.Event()

    async def work(self, name: str, device_id: str = "d") -> None:
        """Work within a turn until the gate opens."""
        async with self.mailbox.work_on_message_of(device_id):
            self.lines.append(f"begin {name}")
            await self.gate.wait()
            self.lines.append(f"end {name}")

    async def begin(self, *names: str, device_id: str = "d") -> list[asyncio.Task[None]]:
        """Begin to work."""
        tasks = [asyncio.create_task(self.work(name, device_id)) for name in names]
        await asyncio.sleep(0)
        return tasks


async def test_turns_of_a_device_follow_each_other_in_the_order_in_which_they_were_wanted() -> None:
    log = Log()
    tasks = await log.begin("1", "2", "3")
    assert log.lines == ["begin 1"]
    log.gate.set()
    await asyncio.gather(*tasks)
    assert log.lines == [f"{what} {name}" for name in "123" for what in ("begin", "end")]


async def test_devices_have_turns_of_their_own() -> None:
    log = Log()
    tasks = [*await log.begin("1"), *await log.begin("2", device_id="other")]
    assert log.lines == ["begin 1", "begin 2"]
    log.gate.set()
    await asyncio.gather(*tasks)


async def test_a_turn_that_fails_ends() -> None:
    mailbox = Mailbox()
    with pytest.raises(RuntimeError):
        async with mailbox.work_for("d"):
            raise RuntimeError
    async with asyncio.timeout(10), mailbox.work_for("d"):
        pass


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_turn_that_is_given_up_holds_up_no_other(cancelled: int) -> None:
    log = Log()
    tasks = await log.begin("0", "1", "2", "3")
    tasks[cancelled].cancel()
    log.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    ended = [line for line in log.lines if line.startswith("end")]
    assert ended == [f"end {n}" for n in range(4) if n != cancelled]


async def test_a_turn_that_is_given_up_in_the_moment_in_which_it_comes_is_passed_on() -> None:
    log = Log()
    log.gate.set()
    async with log.mailbox.work_for("d"):
        second, third = await log.begin("2", "3")
    second.cancel()  # its turn has come, but it has not gone on yet
    await asyncio.gather(second, third, return_exceptions=True)
    assert log.lines == ["begin 3", "end 3"]


async def test_a_device_whose_messages_pile_up_is_refused_more_and_the_platform_is_not() -> None:
    log = Log()
    tasks = await log.begin(*map(str, range(9)))
    with pytest.raises(MailboxFullError):
        log.mailbox.work_on_message_of("d")
    log.mailbox.work_on_message_of("other")
    log.mailbox.work_for("d")
    log.gate.set()
    await asyncio.gather(*tasks)
    log.mailbox.work_on_message_of("d")


async def test_a_turn_that_is_given_up_and_passed_over_before_it_notices_is_none() -> None:
    log = Log()
    log.gate.set()
    async with log.mailbox.work_for("d"):
        second, third = await log.begin("2", "3")
        second.cancel()
    await asyncio.gather(second, third, return_exceptions=True)
    assert second.cancelled()
    assert log.lines == ["begin 3", "end 3"]
