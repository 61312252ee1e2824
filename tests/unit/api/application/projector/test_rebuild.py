"""The rebuild of a restored database: rows, ends and counts come back, once and again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.unit.api.application.projector.fakes import (
    AT,
    FakePackages,
    FakeProgressStore,
    FakeStore,
    execution,
    received,
)

from sluice_api.application.counting import Counts
from sluice_api.application.projector.details import Details
from sluice_api.application.projector.projection import Projection
from sluice_api.application.projector.rebuild import Rebuild, Rebuilt
from sluice_api.application.projector.verification import Verification
from sluice_api.application.task_progress import TaskProgress
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus, Step


def ended(name: str, version: int = 2, status: ExecutionStatus = ExecutionStatus.SUCCEEDED) -> ExecutionChanged:
    return execution(name, version, status=status, step=Step.ENDED, ended_at=AT)


class UnderWay(TaskProgress):
    """Counts the tasks of a store; notes which it is to end."""

    def __init__(self, store: FakeStore) -> None:
        super().__init__(FakeProgressStore(store))
        self.looked_at: list[str] = []

    async def end_if_done(self, task_id: str, now: datetime) -> None:  # noqa: ARG002 - as the real one
        """Note it."""
        self.looked_at.append(task_id)

    async def under_way(self) -> Sequence[str]:
        """Return the one task."""
        return ("t",)


async def rebuild(store: FakeStore, messages: Sequence[Any], tasks: UnderWay | None = None) -> Rebuilt:
    """Read messages at consecutive places, each batch of two, and count."""
    one = Rebuild(store, Details(store, 30.0), tasks or UnderWay(store), lambda: AT)
    batches = [received(message, offset) for offset, message in enumerate(messages)]
    for start in range(0, len(batches), 2):
        await one.write(batches[start : start + 2])
    return await one.finish()


KEPT = [execution("a", 1), ended("b"), execution("a", 2), ended("c", 3, ExecutionStatus.FAILED), ended("a", 3)]


async def test_rows_that_are_gone_come_back_and_the_task_is_counted() -> None:
    store = FakeStore()
    assert (await rebuild(store, KEPT)).ends == 3
    assert store.versions == {"t:a": 3, "t:b": 2, "t:c": 3}
    assert store.counted() == {"SUCCEEDED": 2, "FAILED": 1}


async def test_rows_of_an_older_database_become_what_kafka_has() -> None:
    store = FakeStore(a=1, b=1, c=1)
    await rebuild(store, KEPT)
    assert store.versions == {"t:a": 3, "t:b": 2, "t:c": 3}
    assert store.counted() == {"SUCCEEDED": 2, "FAILED": 1}


async def test_the_second_time_nothing_is_left_to_write() -> None:
    store = FakeStore(a=1)
    await rebuild(store, KEPT)
    before = dict(store.executions), dict(store.totals)
    assert (await rebuild(store, KEPT)).ends == 0
    assert (store.executions, store.totals) == before


async def test_rows_that_are_newer_than_what_is_read_stay() -> None:
    store = FakeStore(a=7)
    await rebuild(store, [execution("a", 3), ended("a", 4)])
    assert store.versions == {"t:a": 7}
    assert store.counted() == {}


async def test_executions_of_tasks_that_the_database_does_not_know_are_passed_over() -> None:
    store = FakeStore()
    store.tasks.clear()
    done = await rebuild(store, KEPT)
    assert store.executions == {}
    assert done.ends == 0


async def test_the_task_ends_once_it_is_counted() -> None:
    store = FakeStore(a=1)
    tasks = UnderWay(store)
    done = await rebuild(store, [ended("a")], tasks)
    assert (tasks.looked_at, done.tasks, done.overtaken) == (["t"], 1, 0)


async def test_what_a_projector_reads_after_the_rebuild_is_not_counted_twice() -> None:
    store = FakeStore()
    await rebuild(store, KEPT)
    tasks = TaskProgress(FakeProgressStore(store))
    projection = Projection(store, Verification(FakePackages()), tasks)
    await projection.write([received(message, offset) for offset, message in enumerate(KEPT)])
    assert store.counted() == {"SUCCEEDED": 2, "FAILED": 1}


async def test_counts_that_an_older_database_had_are_replaced_however_far_the_projector_has_read() -> None:
    store = FakeStore(a=1, b=1, c=1)
    store.totals["t"] = Counts(by_status={ExecutionStatus.FAILED: 5}, positions={0: 900}, is_new=False)
    await rebuild(store, KEPT)
    assert store.counted() == {"SUCCEEDED": 2, "FAILED": 1}
    assert store.totals["t"].positions == {0: 900}
