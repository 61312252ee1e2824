"""Tasks in the background end with their owner."""

import asyncio

import pytest

from sluice_common.background import BackgroundTasks


async def test_a_task_is_kept_until_it_is_done() -> None:
    async with BackgroundTasks() as tasks:
        task = tasks.start(asyncio.sleep(0, "done"))
        assert len(tasks) == 1
        await tasks.wait()
        assert task.result() == "done"
        assert len(tasks) == 0


async def test_what_is_not_done_at_the_end_is_cancelled() -> None:
    async with BackgroundTasks() as tasks:
        task = tasks.start(asyncio.sleep(60))
    assert task.cancelled()


async def test_a_task_that_fails_leaves_the_others_alone() -> None:
    async def fail() -> None:
        raise OSError("lost")

    async with BackgroundTasks() as tasks:
        failing, other = tasks.start(fail()), tasks.start(asyncio.sleep(0.01, "done"))
        await tasks.wait()
        with pytest.raises(OSError, match="lost"):
            await failing
        assert other.result() == "done"


async def test_waiting_ends_with_its_timeout() -> None:
    async with BackgroundTasks() as tasks:
        tasks.start(asyncio.sleep(60))
        await tasks.wait(timeout=0.001)
        assert len(tasks) == 1
