import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from tests.unit.api.application.projector.fakes import AT, FakePackages, FakeRecount, FakeStore, execution, received

from sluice_api.application.projector.projection import Projection
from sluice_api.application.projector.projector import Projector
from sluice_api.application.projector.verification import Verification
from sluice_common.bus import Received
from sluice_common.errors import PoisonError
from sluice_common.messages.execution_events import ExecutionStatus, Step


class FakeProgress(FakeRecount):
    """Tasks under way, and those that were looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at: list[str] = []

    async def end_if_done(self, task_id: str, now: datetime) -> None:
        """Note it."""
        assert now == AT
        self.looked_at.append(task_id)

    async def under_way(self) -> Sequence[str]:
        """Return two tasks."""
        return ["t", "u"]


def projector(store: FakeStore, progress: FakeProgress | None = None) -> Projector:
    progress = progress or FakeProgress()
    return Projector(
        Projection(store, Verification(FakePackages()), progress),
        progress,
        now=lambda: AT,
        sweep=0.0,
        recount=3600.0,
    )


ENDED: dict[str, Any] = {"status": ExecutionStatus.FAILED, "step": Step.ENDED}


def batch(*names: str) -> list[Received]:
    return [received(execution(name, **ENDED), offset) for offset, name in enumerate(names)]


async def test_trouble_is_raised_so_that_the_batch_comes_again_and_is_written_then() -> None:
    store = FakeStore(d=-1)
    store.failure = ConnectionError()
    writing = projector(store)
    with pytest.raises(ConnectionError):
        await writing.handle(batch("d"))
    assert store.versions == {"t:d": -1}
    await writing.handle(batch("d"))
    assert store.versions == {"t:d": 1}


async def test_poison_is_raised_at_once_for_the_consumer_to_dead_letter_it() -> None:
    store = FakeStore(d=-1, e=-1)
    store.poison = {"t:e"}
    with pytest.raises(PoisonError):
        await projector(store).handle(batch("d", "e"))


async def test_a_task_is_looked_at_when_one_of_its_executions_has_ended_after_all_of_the_batch_is_written() -> None:
    store, progress = FakeStore(d=-1, e=-1), FakeProgress()
    await projector(store, progress).handle(batch("d", "e"))
    assert progress.looked_at == ["t"]
    assert store.counted() == {"FAILED": 2}


async def test_all_tasks_under_way_are_looked_at_from_time_to_time_and_counted_at_the_start() -> None:
    progress = FakeProgress()
    async with asyncio.timeout(5):
        sweeping = asyncio.create_task(projector(FakeStore(), progress).look_after_tasks())
        while len(progress.looked_at) < 4:
            await asyncio.sleep(0)
        sweeping.cancel()
    assert progress.looked_at[:4] == ["t", "u", "t", "u"]
    assert progress.tasks == ["t", "u"]
