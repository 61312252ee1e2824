"""What the relay needs: Kafka, and what is stored of tasks, devices and executions."""

from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from sluice_api.application.relay.records import ActiveExecution, DueTask, Member, OutboxDocument, PlannedPage
from sluice_api.domain.models import Checkpoint, Task
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.topics import Topic


class Publisher(Protocol):
    """Publishes messages."""

    async def publish_all(self, messages: Iterable[tuple[Topic, str, Any]], /) -> None:
        """Publish messages, each with its topic and key, in their order; return once Kafka has them all."""
        ...

    async def publish_tombstones(self, topic: Topic, keys: Iterable[tuple[str, str]], /) -> None:
        """Have a compacted topic forget keys, each with the key of its partition; return once Kafka has them all."""
        ...


class Lease(Protocol):
    """The right to work: of several relays one has it."""

    async def hold(self) -> bool:
        """Take the lease or renew it when that is due; return whether it is held."""
        ...

    async def release(self) -> None:
        """Let another relay work at once."""
        ...


class OutboxStore(Protocol):
    """The documents of one collection."""

    async def due(self, now: datetime, limit: int) -> Sequence[OutboxDocument]:
        """Return documents that the relay has to look at now."""
        ...

    async def clear(self, documents: Sequence[OutboxDocument], *, undeliverable: Collection[str], done: bool) -> None:
        """Remove the messages of documents whose messages are still those that were read.

        Args:
            documents: As they were read.
            undeliverable: The ids of those whose messages are kept aside, as `undeliverable`.
            done: Whether the relay has nothing else to do for them.
        """
        ...


class ExpansionStore(Protocol):
    """Tasks, devices and executions."""

    async def begin_expansion(self, task_id: str) -> None:
        """Let a scheduled task expand."""
        ...

    def members_of_group(
        self, app_id: str, group_id: str, *, after: str, before: str, page: int
    ) -> AsyncGenerator[Sequence[Member], None]:
        """Yield pages of a group's devices in the order of ids, between two ids."""
        ...

    def devices_of_task(
        self, task_id: str, status: ExecutionStatus, *, after: str, page: int
    ) -> AsyncGenerator[Sequence[str], None]:
        """Yield pages of the devices whose executions of a task have a status, in the order of ids, behind one."""
        ...

    async def members(self, device_ids: Sequence[str]) -> Sequence[Member]:
        """Return those devices that exist."""
        ...

    async def add_page(self, task_id: str, number: int, page: PlannedPage) -> bool:
        """Store what a page is to have; return False if another relay has stored one of that number."""
        ...

    async def planned_page(self, task_id: str, number: int) -> PlannedPage | None:
        """Return a stored page with the devices that still exist or have their execution, None if there is none."""
        ...

    async def insert_executions(self, task: Task, number: int, members: Sequence[Member]) -> Sequence[Member]:
        """Insert the executions of a page, those that are there stay as they are; return the members of this page.

        A device of two groups is of the page that came first.
        """
        ...

    async def count_executions(self, task_id: str, before: int) -> int:
        """Return how many executions the pages before one have."""
        ...

    async def save_checkpoint(self, task_id: str, page: int, checkpoint: Checkpoint) -> bool:
        """Save the checkpoint behind a page; return whether the one before it was still there."""
        ...

    async def finish_expansion(self, task_id: str) -> None:
        """Let a task run whose executions are all there, unless it is being stopped."""
        ...

    async def complete_expansion(self, task_id: str) -> None:
        """Mark the executions of a task that is being stopped as complete."""
        ...


class TaskEndings(Protocol):
    """Ends tasks."""

    async def end_if_done(self, task_id: str, now: datetime) -> None:
        """End a task whose executions have all ended."""
        ...


class StopStore(Protocol):
    """Tasks and their executions that have not ended."""

    def active_executions(
        self, task_id: str, *, after: str, page: int
    ) -> AsyncGenerator[Sequence[ActiveExecution], None]:
        """Yield pages of a task's executions that have not ended, in the order of ids."""
        ...

    async def save_stopped(self, task_id: str, after: str) -> None:
        """Save which execution of a task was asked to stop last."""
        ...

    async def finish_stop(self, task_id: str) -> None:
        """Note that all executions of a task have been asked, unless the task is not being stopped any more."""
        ...


class PurgeStore(Protocol):
    """Tombstones and their executions."""

    def executions(self, task_id: str, page: int) -> AsyncGenerator[Sequence[str], None]:
        """Yield pages of the ids of a task's executions."""
        ...

    async def delete_executions(self, execution_ids: Sequence[str]) -> None:
        """Delete executions."""
        ...

    async def is_being_retried(self, task_id: str) -> bool:
        """Return whether a task that is being expanded reads the executions of a tombstone."""
        ...

    async def postpone_purge(self, task_id: str, until: datetime) -> None:
        """Let the relay look at a tombstone again at a time."""
        ...

    async def finish_purge(self, task_id: str) -> None:
        """Note that the executions of a tombstone are deleted."""
        ...


class DueTaskStore(Protocol):
    """Tasks that are due."""

    async def due_ids(self, now: datetime, *, stops: bool, limit: int) -> Sequence[str]:
        """Return the ids of tasks that the relay has to look at, the oldest first: all, or those being stopped."""
        ...

    async def postpone(self, task_ids: Sequence[str], now: datetime) -> None:
        """Put those of the tasks that are due behind all others that are."""
        ...

    async def due_task(self, task_id: str, now: datetime) -> DueTask | None:
        """Return a task as it is now, None if the relay has not to look at it any more."""
        ...


class TaskStore(ExpansionStore, DueTaskStore, Protocol):
    """Tasks that are due, and their expansion."""


class TaskEndStore(StopStore, PurgeStore, Protocol):
    """Tasks that end, and their executions."""
