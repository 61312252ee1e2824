"""Whoever opens something closes it, however far the opening has come."""

import asyncio

import pytest
from structlog.testing import capture_logs

from sluice_common import resources
from sluice_common.resources import finished, started, uninterrupted


class Socket:
    """Opens and closes in several steps; can fail in the middle of opening, and at the end of closing."""

    def __init__(self, failure: Exception | None = None, *, in_the_end: BaseException | None = None) -> None:
        self.failure = failure
        self.in_the_end = in_the_end
        self.opening = asyncio.Event()
        self.opened = asyncio.Event()
        self.is_open = False
        self.was_cut_short = False

    async def start(self) -> None:
        """Open it."""
        try:
            self.is_open = True
            self.opening.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if self.failure is not None:
                raise self.failure
            self.opened.set()
        except asyncio.CancelledError:
            self.was_cut_short = True
            raise

    async def stop(self) -> None:
        """Close it."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.is_open = False
        if self.in_the_end is not None:
            raise self.in_the_end


class Stuck(Socket):
    """Opens only to its half."""

    async def start(self) -> None:
        """Open it, for ever."""
        self.is_open = True
        self.opening.set()
        await asyncio.Event().wait()


async def own(socket: Socket) -> None:
    """Hold a socket open until cancelled."""
    async with started(socket):
        await asyncio.Event().wait()


async def test_a_resource_is_open_within_the_block_and_closed_after_it() -> None:
    socket = Socket()
    async with started(socket) as same:
        assert same is socket
        assert socket.opened.is_set()
        assert socket.is_open
    assert not socket.is_open


@pytest.mark.parametrize("steps", range(10))
async def test_a_resource_is_closed_at_whatever_step_of_opening_its_owner_is_cancelled(steps: int) -> None:
    socket = Socket()
    owner = asyncio.create_task(own(socket))
    for _ in range(steps):
        await asyncio.sleep(0)
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert not socket.is_open
    assert not socket.was_cut_short


@pytest.mark.parametrize("steps", range(5))
async def test_a_resource_is_closed_though_its_owner_is_cancelled_again_while_it_closes(steps: int) -> None:
    socket = Socket()
    owner = asyncio.create_task(own(socket))
    await socket.opened.wait()
    owner.cancel()
    for _ in range(steps):
        await asyncio.sleep(0)
        owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert not socket.is_open


async def test_a_start_that_does_not_end_is_cancelled_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_START_GRACE", 0.01)
    socket = Stuck()
    owner = asyncio.create_task(own(socket))
    await socket.opening.wait()
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert not socket.is_open


async def test_a_resource_is_closed_when_it_fails_to_open() -> None:
    socket = Socket(OSError("taken"))
    with pytest.raises(OSError, match="taken"):
        await own(socket)
    assert not socket.is_open


@pytest.mark.parametrize("failure", [OSError("lost"), asyncio.CancelledError()])
async def test_what_goes_wrong_while_a_resource_is_closed_is_told_and_takes_no_place(failure: BaseException) -> None:
    async def fail() -> None:
        async with started(Socket(in_the_end=failure)):
            raise KeyError("why it ends")

    with capture_logs() as logs:
        async with started(Socket(in_the_end=failure)):
            pass
        with pytest.raises(KeyError, match="why it ends"):
            await fail()
    assert [entry["event"] for entry in logs] == ["resource_not_stopped"] * 2


async def test_a_deadline_of_the_owner_closes_what_was_being_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_START_GRACE", 0.01)
    socket = Stuck()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await own(socket)
    assert not socket.is_open


async def test_what_fails_to_close_raises_its_error_rather_than_the_cancellation() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise OSError("lost")

    closing = asyncio.create_task(uninterrupted(fail()))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(OSError, match="lost"):
        await closing


async def test_a_stop_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_STOP_GRACE", 0.01)

    class Held:
        async def start(self) -> None:
            return

        async def stop(self) -> None:
            await asyncio.Event().wait()

    async with asyncio.timeout(60), started(Held()):
        pass


class Work:
    """Something in hand."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.may_end = asyncio.Event()
        self.ended = ""

    async def do(self) -> None:
        """Do it when it may end."""
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.ended = "cut short"
            raise
        self.ended = "done"
        if self.failure is not None:
            raise self.failure


async def begin(work: Work, *, within: float) -> "asyncio.Task[None]":
    """Begin work in a task, which is cancelled in the midst of it."""
    doing = asyncio.create_task(finished(work.do(), within=within))
    await asyncio.sleep(0.01)
    doing.cancel()
    await asyncio.sleep(0.01)
    return doing


@pytest.mark.parametrize("failure", [None, OSError("lost")])
async def test_what_is_in_hand_is_done_to_its_end_before_a_task_ends(failure: Exception | None) -> None:
    work = Work(failure)
    doing = await begin(work, within=3_600.0)
    assert not doing.done()
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert work.ended == "done"


async def test_what_is_in_hand_is_cut_short_when_it_takes_too_long() -> None:
    work = Work()
    doing = await begin(work, within=0.05)
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert work.ended == "cut short"


async def test_what_fails_though_nobody_cancels_it_raises_its_error() -> None:
    work = Work(OSError("lost"))
    work.may_end.set()
    with pytest.raises(OSError, match="lost"):
        await finished(work.do(), within=0.0)
