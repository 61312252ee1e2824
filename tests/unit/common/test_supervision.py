"""What fails for one ends nothing for others; only a fatal error ends a process, and a cancellation is passed on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from pymongo.errors import AutoReconnect, DocumentTooLarge
from structlog.testing import capture_logs

from sluice_common.background import BackgroundTasks
from sluice_common.errors import FatalError
from sluice_common.supervision import FAILURES, Backoff, is_fatal, is_passing, persist, repeat, supervised

SHORT = Backoff(0.001, 0.002)
TOO_LONG = 60.0


def failing(errors: list[Exception], done: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """Return work that raises each of the errors in turn, and then is done for good."""

    async def work() -> None:
        if errors:
            raise errors.pop(0)
        done.set()
        await asyncio.sleep(TOO_LONG)

    return work


@pytest.mark.parametrize("error", [OSError("lost"), KeyError("a fault of ours"), ExceptionGroup("two", [ValueError()])])
async def test_a_loop_goes_on_after_any_error_of_a_step_and_tells_and_counts_it(error: Exception) -> None:
    done, before = asyncio.Event(), FAILURES["step_failed"]
    with capture_logs() as logs:
        task = asyncio.create_task(repeat("step_failed", failing([error, error], done), backoff=SHORT))
        await asyncio.wait_for(done.wait(), TOO_LONG)
    assert [entry["event"] for entry in logs] == ["step_failed", "step_failed"]
    assert FAILURES["step_failed"] == before + 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_loop_is_cancelled_in_a_step_a_pause_and_a_back_off_alike() -> None:
    async def fail() -> None:
        raise OSError("lost")

    done = asyncio.Event()
    for loop in (
        repeat("x", failing([], done)),
        repeat("x", failing([], done), pause=TOO_LONG),
        repeat("x", fail, backoff=Backoff(TOO_LONG, TOO_LONG)),
    ):
        task = asyncio.create_task(loop)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("work", [repeat, persist])
async def test_a_cancellation_is_passed_on_though_an_error_on_the_way_out_takes_its_place(
    work: Callable[..., Coroutine[Any, Any, None]],
) -> None:
    async def close_badly() -> None:
        try:
            await asyncio.sleep(TOO_LONG)
        finally:
            raise OSError("the broker has gone")

    task = asyncio.create_task(work("not_closed", close_badly))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, TOO_LONG)


async def test_a_step_that_never_waits_leaves_time_for_others() -> None:
    async def nothing() -> None:
        return

    task = asyncio.create_task(repeat("x", nothing))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task], timeout=TOO_LONG)


@pytest.mark.parametrize(
    "error", [FatalError("broken"), ExceptionGroup("of", [OSError(), ExceptionGroup("it", [FatalError("broken")])])]
)
async def test_a_fatal_error_ends_all_work_of_the_process(error: Exception) -> None:
    neighbour = asyncio.Event()
    others: list[asyncio.Task[None]] = []

    async def serve() -> None:
        async with supervised() as work:
            others.append(work.repeat("x", failing([], neighbour)))
            await neighbour.wait()
            work.repeat("x", failing([error], asyncio.Event()))

    with pytest.raises(ExceptionGroup) as raised:
        await serve()
    assert is_fatal(raised.value)
    assert others[0].cancelled()


async def test_loops_do_not_end_each_other_but_a_vital_part_ends_all() -> None:
    done = asyncio.Event()

    async def end_when_done() -> None:
        await done.wait()
        raise OSError("the end")

    async def serve() -> None:
        async with supervised() as work:
            work.repeat("x", failing([OSError("lost")], asyncio.Event()), backoff=SHORT)
            work.repeat("x", failing([ValueError()], done), backoff=SHORT)
            work.vital(end_when_done())

    with pytest.raises(ExceptionGroup):
        await serve()


async def test_who_supervises_knows_whether_a_part_has_failed_or_it_was_told_to_end() -> None:
    found: list[bool] = []

    async def fail() -> None:
        raise OSError("lost")

    async def serve(part: Coroutine[Any, Any, None]) -> None:
        async with supervised() as work:
            work.vital(part)
            try:
                await asyncio.Event().wait()
            finally:
                found.append(work.has_failed)

    with pytest.raises(ExceptionGroup):
        await serve(fail())
    serving = asyncio.create_task(serve(asyncio.sleep(3_600)))
    await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert found == [True, False]


def test_waits_grow_to_their_bound_and_are_spread() -> None:
    backoff = Backoff(1.0, 10.0)
    for failures, bound in ((1, 1.0), (2, 2.0), (4, 8.0), (5, 10.0), (10**6, 10.0)):
        delays = {backoff.delay(failures) for _ in range(100)}
        assert bound / 2 <= min(delays) < max(delays) <= bound


async def test_what_passes_is_tried_until_it_succeeds_and_what_does_not_is_raised() -> None:
    errors: list[Exception] = [KafkaTimeoutError(), AutoReconnect(), TimeoutError(), OSError()]

    async def work() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    with capture_logs() as logs:
        assert await persist("not_done", work, backoff=SHORT, device_id="d") == "done"
    assert [(entry["event"], entry["device_id"]) for entry in logs] == [("not_done", "d")] * 4
    errors = [KafkaTimeoutError(), ValueError("never")]
    with pytest.raises(ValueError, match="never"):
        await persist("not_done", work, backoff=SHORT)


async def test_what_passes_is_raised_when_its_time_is_up() -> None:
    async def fail() -> None:
        raise OSError("lost")

    with pytest.raises(OSError, match="lost"):
        await persist("not_done", fail, within=0.01, backoff=SHORT)


def test_what_can_never_be_stored_does_not_pass() -> None:
    assert not any(map(is_passing, (MessageSizeTooLargeError(), DocumentTooLarge("large"), ValueError(), FatalError())))


async def test_a_task_that_nobody_awaits_fails_alone_and_is_told_with_whom_it_was_for() -> None:
    async def fail() -> None:
        raise KeyError("a fault of ours")

    before = FAILURES["report_lost"]
    with capture_logs() as logs:
        async with BackgroundTasks() as tasks:
            tasks.run("report_lost", fail(), device_id="d")
            other = tasks.start(asyncio.sleep(0.01, "done"))
            await tasks.wait()
    assert other.result() == "done"
    assert [(entry["event"], entry["device_id"], entry["log_level"]) for entry in logs] == [
        ("report_lost", "d", "error")
    ]
    assert FAILURES["report_lost"] == before + 1


async def test_a_fatal_error_in_the_background_ends_the_owner() -> None:
    async def fail() -> None:
        raise FatalError("broken")

    async def serve() -> None:
        async with BackgroundTasks() as tasks, supervised() as work:
            tasks.run("x", fail())
            work.repeat("x", partial(asyncio.sleep, TOO_LONG))

    with pytest.raises(FatalError):
        await serve()
