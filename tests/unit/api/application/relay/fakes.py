"""What the relay needs, in memory: each fake notes what it is asked in one log, so that tests see the order."""

# ruff: noqa: ARG002 - fakes take what the ports take, and test folders are no packages

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from sluice_api.application.relay.records import ActiveExecution, DueTask, Member, PlannedPage
from sluice_api.domain.models import Checkpoint, Progress, Targets, Task, TaskPolicy, TaskStatus
from sluice_common.ids import execution_id
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot
from sluice_common.topics import Topic

AT = datetime(2026, 11, 22, tzinfo=UTC)
TASK_ID = "7" * 24


def task(**changes: Any) -> Task:
    """Return a task of two groups that expands."""
    plain = Task(
        task_id=TASK_ID,
        app_id="a",
        name="n",
        package_id="p",
        targets=Targets(group_ids=("g1", "g2")),
        policy=TaskPolicy(),
        status=TaskStatus.EXPANDING,
        result=None,
        progress=Progress(),
        package=PackageSnapshot(package_id="p", version="2", image_id="i", image_size=1, image_sha256="00"),
        product=ProductSnapshot(product_id="meter"),
        expansion=Checkpoint(),
        created_at=AT,
        ended_at=None,
    )
    return msgspec.structs.replace(plain, **changes)


class FakeKafka:
    """Keeps what is published, unless it is told to fail."""

    def __init__(self, log: list[str]) -> None:
        self.published: list[tuple[Topic, str, Any]] = []
        self.failure: Exception | None = None
        self._log = log

    async def publish_all(self, messages: Iterable[tuple[Topic, str, Any]], /) -> None:
        """Publish, or raise the failure once."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        sent = list(messages)
        self.published += sent
        self._log += [f"publish {key}" for _, key, _ in sent]

    async def publish_tombstones(self, topic: Topic, keys: Iterable[tuple[str, str]], /) -> None:
        """Note them."""
        self._log += [f"forget {topic.name} {key} of {partition_key}" for key, partition_key in keys]


class FakeTasks:
    """Tasks, groups of devices, and executions."""

    def __init__(self, log: list[str], **groups: Sequence[str]) -> None:
        self.due: list[DueTask] = []
        self.groups = groups
        self.rows: dict[str, tuple[int, Member]] = {}
        self.pages: dict[int, PlannedPage] = {}
        self.checkpoint = Checkpoint()
        self.open_cursors = 0
        self.ended: dict[tuple[str, ExecutionStatus], Sequence[str]] = {}
        self.is_retried = False
        self._log = log

    async def due_ids(self, now: datetime, *, stops: bool, limit: int) -> Sequence[str]:
        """Return what is due, as it stands in the queue."""
        return [due.id for due in self.due if not stops or _is_stopping(due)][:limit]

    async def postpone(self, task_ids: Sequence[str], now: datetime) -> None:
        """Put tasks at the end of the queue."""
        self.due.sort(key=lambda due: due.id in task_ids)

    async def due_task(self, task_id: str, now: datetime) -> DueTask | None:
        """Return a task that is due, with the checkpoint as it is."""
        due = next((due for due in self.due if due.id == task_id), None)
        if due is None or due.task is None:
            return due
        return msgspec.structs.replace(due, task=self._current(due.task))

    def _current(self, known: Task) -> Task:
        return msgspec.structs.replace(known, expansion=self.checkpoint)

    async def begin_expansion(self, task_id: str) -> None:
        """Note it."""
        self._log.append("begin")

    async def members_of_group(
        self, app_id: str, group_id: str, *, after: str, before: str, page: int
    ) -> AsyncGenerator[Sequence[Member], None]:
        """Yield pages of a group."""
        ids = [i for i in self.groups[group_id] if after < i < before]
        self.open_cursors += 1
        try:
            for first in range(0, len(ids), page):
                yield await self.members(ids[first : first + page])
        finally:
            self.open_cursors -= 1

    async def devices_of_task(
        self, task_id: str, status: ExecutionStatus, *, after: str, page: int
    ) -> AsyncGenerator[Sequence[str], None]:
        """Yield pages of the devices of `ended`."""
        ids = [i for i in self.ended.get((task_id, status), ()) if i > after]
        for first in range(0, len(ids), page):
            yield ids[first : first + page]

    async def members(self, device_ids: Sequence[str]) -> Sequence[Member]:
        """Return devices; one whose id begins with `x` does not exist."""
        return [
            Member(device_id=i, product_id="meter", endpoint=f"e{i}", group_ids=[])
            for i in device_ids
            if not i.startswith("x")
        ]

    async def add_page(self, task_id: str, number: int, page: PlannedPage) -> bool:
        """Store a page unless there is one of that number."""
        return self.pages.setdefault(number, page) is page

    async def planned_page(self, task_id: str, number: int) -> PlannedPage | None:
        """Return a page as it was stored."""
        return self.pages.get(number)

    async def insert_executions(self, task: Task, number: int, members: Sequence[Member]) -> Sequence[Member]:
        """Insert; what is there stays."""
        for member in members:
            self.rows.setdefault(execution_id(task.task_id, member.device_id), (number, member))
            self._log.append(f"insert {member.device_id}")
        return [m for m in members if self.rows[execution_id(task.task_id, m.device_id)][0] == number]

    async def count_executions(self, task_id: str, before: int) -> int:
        """Return how many rows the pages before one have."""
        return sum(number < before for number, _ in self.rows.values())

    async def save_checkpoint(self, task_id: str, page: int, checkpoint: Checkpoint) -> bool:
        """Save unless another page has been saved."""
        if self.checkpoint.page != page:
            return False
        self.checkpoint = checkpoint
        self._log.append(f"checkpoint {checkpoint.page}")
        return True

    async def finish_expansion(self, task_id: str) -> None:
        """Note it."""
        self.due = []
        self._log.append("running")

    async def complete_expansion(self, task_id: str) -> None:
        """Note it."""
        self.checkpoint = msgspec.structs.replace(self.checkpoint, complete=True)
        self._log.append("complete")

    async def active_executions(
        self, task_id: str, *, after: str, page: int
    ) -> AsyncGenerator[Sequence[ActiveExecution], None]:
        """Yield pages of executions."""
        found = [
            ActiveExecution(execution_id=i, device_id=member.device_id)
            for i, (_, member) in sorted(self.rows.items())
            if i > after
        ]
        for first in range(0, len(found), page):
            yield found[first : first + page]

    async def save_stopped(self, task_id: str, after: str) -> None:
        """Note it."""
        self._log.append(f"stopped {after.partition(':')[2]}")

    async def finish_stop(self, task_id: str) -> None:
        """Note it."""
        self.due = []
        self._log.append("all asked to stop")

    async def executions(self, task_id: str, page: int) -> AsyncGenerator[Sequence[str], None]:
        """Yield pages of the ids of executions."""
        while self.rows:
            yield sorted(self.rows)[:page]

    async def delete_executions(self, execution_ids: Sequence[str]) -> None:
        """Delete."""
        for i in execution_ids:
            del self.rows[i]
            self._log.append(f"delete {i}")

    async def is_being_retried(self, task_id: str) -> bool:
        """Return what was set."""
        return self.is_retried

    async def postpone_purge(self, task_id: str, until: datetime) -> None:
        """Note it."""
        self.due = []
        self._log.append(f"purge in {until - AT}")

    async def finish_purge(self, task_id: str) -> None:
        """Note it."""
        self.due = []
        self._log.append("purged")


def _is_stopping(due: DueTask) -> bool:
    return due.task is not None and due.task.status is TaskStatus.STOPPING
