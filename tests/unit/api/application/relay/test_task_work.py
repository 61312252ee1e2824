import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs
from tests.unit.api import records
from tests.unit.api.application.relay.fakes import AT, TASK_ID, FakeKafka, FakeTasks, task

from sluice_api.application.relay import due_tasks, units
from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.records import DueTask, Member, OutboxDocument
from sluice_api.application.relay.start_check import StartCheck
from sluice_api.application.relay.task_work import TaskWork
from sluice_api.application.tasks import TaskStopper
from sluice_api.domain.models import Checkpoint, KeyStatus, Package, Product, Targets, Task, TaskStatus
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.messages.execution_events import ExecutionStatus, Reason
from sluice_common.reasons import ReasonCode
from sluice_common.supervision import Backoff

MESSAGE = OutboxMessage("task-events", TASK_ID, "{}")


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a unit that has failed its next turn at once."""
    monkeypatch.setattr(units, "_BACKOFF", Backoff(first=0.0, longest=0.0))


class FakeWorld:
    """The messages of tasks, what a task depends on, and its progress."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.package_exists = True
        self.retried_exists = True
        self.stopped: list[ReasonCode] = []

    async def due(self, now: datetime, limit: int) -> Sequence[OutboxDocument]:
        raise NotImplementedError("these tests do not get there")

    async def clear(self, documents: Sequence[OutboxDocument], *, undeliverable: object, done: bool) -> None:
        assert not undeliverable
        self.log.append(f"clear {len(documents)}" + (" done" if done else ""))

    async def package(self, package_id: str) -> Package | None:
        return records.package(package_id=package_id) if self.package_exists else None

    async def key_status(self, key_id: str | None) -> KeyStatus | None:
        assert key_id == "k"
        return KeyStatus.ACTIVE

    async def has_task(self, task_id: str) -> bool:
        assert task_id == "o"
        return self.retried_exists

    async def product(self, product_id: str) -> Product | None:
        return records.product(product_id=product_id)

    async def stop(
        self, app_id: str, task_id: str, at: datetime, message: OutboxMessage, reason: Reason | None = None
    ) -> None:
        assert (app_id, task_id, at, message.topic) == ("a", TASK_ID, AT, "task-events")
        assert reason is not None
        self.stopped.append(ReasonCode(reason.code))

    async def stoppable_of(self, package_id: str) -> Sequence[tuple[str, str]]:
        raise NotImplementedError("these tests do not get there")

    async def end_if_done(self, task_id: str, now: datetime) -> None:
        assert now == AT
        self.log.append(f"end {task_id[:1]}?")


class Case:
    """The relay's work on one task, and what it has done in its order."""

    def __init__(self, task_: Task | None, *, messages: int = 0, page: int = 10) -> None:
        self.log: list[str] = []
        self.kafka = FakeKafka(self.log)
        self.store = FakeTasks(self.log, g1=("11", "12"), g2=("13",))
        self.store.due = [DueTask(id=TASK_ID, outbox=(MESSAGE,) * messages, task=task_)]
        if task_ is not None:
            self.store.checkpoint = task_.expansion
        self.world = FakeWorld(self.log)
        self.work = TaskWork(
            self.store,
            self.store,
            outbox=Outbox(self.world, self.kafka),
            publisher=self.kafka,
            start_check=StartCheck(self.world, TaskStopper(self.world)),
            endings=self.world,
            now=lambda: AT,
            page=page,
        )

    async def until_nothing_is_due(self) -> None:
        """Look again and again."""
        while await self.work.work_on_due():
            pass


async def test_messages_of_a_task_are_published_before_its_first_page() -> None:
    case = Case(task(), messages=1)
    await case.work.work_on_due()
    assert case.log[:3] == [f"publish {TASK_ID}", "clear 1", "begin"]


async def test_a_task_runs_once_its_executions_are_there_and_ends_at_once_if_they_have() -> None:
    case = Case(task())
    await case.until_nothing_is_due()
    assert [key for _, key, _ in case.kafka.published] == ["11", "12", "13"]
    assert case.log[-2:] == ["running", "end 7?"]


async def test_a_task_whose_package_was_deleted_is_stopped_before_its_first_page() -> None:
    case = Case(task())
    case.world.package_exists = False
    await case.work.work_on_due()
    assert case.world.stopped == [ReasonCode.PACKAGE_DELETED]
    assert case.kafka.published == []


async def test_a_task_that_has_begun_goes_on_though_its_package_was_deleted() -> None:
    case = Case(task(expansion=Checkpoint(page=1, after="11")))
    case.world.package_exists = False
    await case.until_nothing_is_due()
    assert case.world.stopped == []
    assert [key for _, key, _ in case.kafka.published] == ["12", "13"]


async def test_of_a_task_that_runs_only_the_messages_are_published() -> None:
    case = Case(task(status=TaskStatus.RUNNING), messages=2)
    await case.work.work_on_due()
    assert case.log == [f"publish {TASK_ID}", f"publish {TASK_ID}", "clear 1 done"]


async def test_a_task_that_is_stopped_while_it_expands_ends_its_page_and_then_asks_executions_to_stop() -> None:
    case = Case(task(), page=2)
    await case.work.work_on_due()
    to_stop = task(status=TaskStatus.STOPPING)
    case.store.due = [DueTask(id=TASK_ID, task=to_stop)]
    await case.until_nothing_is_due()
    assert [key for _, key, _ in case.kafka.published] == ["11", "12", "11", "12"]
    assert case.log[-5:] == ["publish 11", "publish 12", "stopped 12", "all asked to stop", "end 7?"]
    assert case.store.open_cursors == 0


async def test_the_executions_of_a_deleted_task_are_deleted() -> None:
    case = Case(None)
    await case.store.insert_executions(task(), 0, await case.store.members(["11", "12"]))
    await case.until_nothing_is_due()
    assert case.store.rows == {}
    ids = [f"{TASK_ID}:11", f"{TASK_ID}:12"]
    assert case.log[2:] == [
        f"forget execution-events {ids[0]} of 11",
        f"forget execution-events {ids[1]} of 12",
        f"delete {ids[0]}",
        f"delete {ids[1]}",
        "purged",
        "end 7?",
    ]


@pytest.mark.usefixtures("no_pause")
async def test_after_a_failure_a_task_goes_on_behind_its_checkpoint() -> None:
    case = Case(task(), page=1)
    await case.work.work_on_due()
    case.kafka.failure = ConnectionError()
    with capture_logs() as logs:
        assert not await case.work.work_on_due()
    assert [(log["event"], log["task_id"]) for log in logs] == [("task_turn_failed", TASK_ID)]
    assert case.store.open_cursors == 0
    await case.until_nothing_is_due()
    assert set(case.store.rows) == {f"{TASK_ID}:{i}" for i in ("11", "12", "13")}
    assert [key for _, key, _ in case.kafka.published] == ["11", "12", "13"]


@pytest.mark.parametrize("failure", [ConnectionError("the broker is away"), KeyError("a fault of our own")])
async def test_a_task_whose_turn_fails_keeps_no_other_from_its_turn(failure: Exception) -> None:
    case = Case(task())
    poison, good = "1" * 24, TASK_ID

    async def insert_executions(task: Task, number: int, members: Sequence[Member]) -> Sequence[Member]:
        if task.task_id == poison:
            raise failure
        return await FakeTasks.insert_executions(case.store, task, number, members)

    case.store.insert_executions = insert_executions  # type: ignore[method-assign]
    case.store.due = [DueTask(id=i, task=task(task_id=i)) for i in (poison, good)]
    await case.until_nothing_is_due()
    assert case.log[-2:] == ["running", "end 7?"]
    assert set(case.store.rows) == {f"{good}:{i}" for i in ("11", "12", "13")}


async def test_a_task_that_cannot_be_read_keeps_no_other_from_its_turn() -> None:
    case = Case(task())
    case.store.due.insert(0, DueTask(id="1" * 24, task=None, unreadable="Expected `str`"))
    with capture_logs() as logs:
        await case.until_nothing_is_due()
    assert case.log[-2:] == ["running", "end 7?"]
    assert [(log["event"], log["task_id"]) for log in logs] == [("task_turn_failed", "1" * 24)]


async def test_a_failing_task_is_looked_at_again_after_a_pause_that_grows() -> None:
    case = Case(task())
    case.store.due = [DueTask(id=TASK_ID, task=None, unreadable="no task")]
    loop = asyncio.get_running_loop()
    now, time = [loop.time()], loop.time
    loop.time = lambda: now[0]  # type: ignore[method-assign]
    try:
        with capture_logs() as logs:
            for _ in range(100):
                await case.work.work_on_due()
                now[0] += 1.0
    finally:
        loop.time = time  # type: ignore[method-assign]
    assert 8 <= len(logs) <= 30


def idle(number: int) -> DueTask:
    """Return a task that has nothing to do and stays due."""
    return DueTask(id=f"{number:024}", task=task(task_id=f"{number:024}", status=TaskStatus.RUNNING))


def worked_on(case: Case) -> list[str]:
    """Return the tasks that are given a turn from now on."""
    had: list[str] = []
    read = case.store.due_task

    async def due_task(task_id: str, now: datetime) -> DueTask | None:
        had.append(task_id)
        return await read(task_id, now)

    case.store.due_task = due_task  # type: ignore[method-assign]
    return had


async def test_more_tasks_than_are_read_at_once_have_a_turn_each_before_one_has_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(due_tasks, "MAX_READ", 10)
    case = Case(task())
    case.store.due = [idle(n) for n in range(25)]
    had = worked_on(case)
    for _ in range(60):
        assert await case.work.work_on_due()
    # A round of ten may begin with some that the one before has left: nobody waits for more than two rounds.
    assert set(had[:30]) == set(had[30:]) == {due.id for due in case.store.due}


async def test_a_stop_comes_before_10_000_other_tasks_of_which_few_are_read() -> None:
    case = Case(task(status=TaskStatus.STOPPING, expansion=Checkpoint(page=1, complete=True)), page=1)
    await case.store.insert_executions(task(), 0, await case.store.members(["11", "12"]))
    read, choose = [0], case.store.due_ids

    async def due_ids(now: datetime, *, stops: bool, limit: int) -> Sequence[str]:
        ids = await choose(now, stops=stops, limit=limit)
        read[0] += len(ids)
        return ids

    case.store.due_ids = due_ids  # type: ignore[method-assign]
    case.store.due = [*(idle(n) for n in range(10_000)), *case.store.due]
    had = worked_on(case)
    while "all asked to stop" not in case.log:
        await case.work.work_on_due()
    assert had[:5] == [TASK_ID, f"{0:024}", TASK_ID, f"{1:024}", TASK_ID]
    assert read == [1000 + 3]


async def test_tasks_that_are_stopped_in_many_pages_leave_others_a_turn_between_theirs() -> None:
    case = Case(None, page=1)
    await case.store.insert_executions(task(), 0, await case.store.members(["11", "12"]))
    stopped = task(status=TaskStatus.STOPPING, expansion=Checkpoint(page=1, complete=True))
    due = [DueTask(id=f"{n:023}s", task=replace(stopped, task_id=f"{n:023}s")) for n in range(60)]
    case.store.checkpoint = stopped.expansion
    case.store.due = [idle(1), *due]
    had = worked_on(case)
    await case.work.work_on_due()
    assert had == [*(stop.id for stop in due[:50]), f"{1:024}"]


async def test_a_task_that_another_relay_works_on_is_left_and_looked_at_anew() -> None:
    case = Case(task(), page=1)
    await case.work.work_on_due()
    case.store.checkpoint = Checkpoint(page=5, group=1, after="13")
    await case.work.work_on_due()
    assert case.store.open_cursors == 0
    await case.until_nothing_is_due()
    assert case.log[-2:] == ["running", "end 7?"]


async def test_a_retry_whose_task_was_deleted_at_the_moment_of_its_creation_stops_and_says_why() -> None:
    case = Case(task(targets=Targets(failed_of="o", statuses=(ExecutionStatus.FAILED,))))
    case.world.retried_exists = False
    await case.work.work_on_due()
    assert case.world.stopped == [ReasonCode.RETRIED_TASK_DELETED]
    assert not case.kafka.published


async def test_the_executions_of_a_deleted_task_stay_while_another_reads_them() -> None:
    case = Case(None)
    case.store.is_retried = True
    await case.work.work_on_due()
    assert case.log == ["purge in 0:00:05"]
