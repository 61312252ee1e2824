"""Tasks, executions and device commands."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from sluice_api.application.ports.repository import Lookup, Repository
from sluice_api.domain.errors import NamedTask
from sluice_api.domain.models import DeviceCommand, Execution, Page, Task, TaskFilter, TaskStatus
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.messages.execution_events import DeviceCommandStatus, ExecutionStatus, Reason


class StoppableTasks(Protocol):
    """Tasks that can be stopped."""

    async def stop(
        self, app_id: str, task_id: str, at: datetime, message: OutboxMessage, reason: Reason | None = None
    ) -> None:
        """Stop a task, together with its message, unless it has ended or is stopping."""
        ...

    async def stoppable_of(self, package_id: str) -> Sequence[tuple[str, str]]:
        """Return app and id of each task of a package that has not ended and is not stopping."""
        ...


class TaskRepository(StoppableTasks, Repository[Task, TaskFilter], Protocol):
    """The tasks."""

    async def add(self, task: Task, message: OutboxMessage) -> None:
        """Store a task with its message; the relay expands it from when it begins.

        Raises:
            ConflictError: It exists already.
        """
        ...

    async def remove(self, app_id: str, task_id: str, at: datetime) -> bool:
        """Leave a tombstone of a task that has ended, for the relay to delete its executions.

        Returns:
            Whether that was done: not for one that has not ended, or whose executions another task has yet to read.
        """
        ...

    async def retries_of(self, task_id: str, statuses: Collection[TaskStatus]) -> Sequence[NamedTask]:
        """Return tasks of these statuses that retry one, at most `MAX_NAMED`."""
        ...

    async def under_way_of(self, package_id: str) -> Sequence[NamedTask]:
        """Return tasks under way that use a package, at most `MAX_NAMED`."""
        ...


class ExecutionRepository(Lookup[Execution], Protocol):
    """The executions."""

    async def request_stop(self, execution_id: str, at: datetime, message: OutboxMessage) -> None:
        """Note once that an execution that has not ended shall be stopped, with its message."""
        ...

    async def of_task(
        self,
        task: Task,
        *,
        device_id: str | None,
        status: ExecutionStatus | None,
        limit: int,
        after: str | None,
    ) -> Page[Execution]:
        """Return one page of a task's executions, in order of devices; of some status it may be short.

        Raises:
            InvalidError: `after` is no cursor.
        """
        ...

    async def of_device(
        self, app_id: str, device_id: str, status: ExecutionStatus | None, limit: int, after: str | None
    ) -> Page[Execution]:
        """Return one page of a device's executions, oldest task first; of some status it may be short.

        Raises:
            InvalidError: `after` is no cursor.
        """
        ...


class CommandRepository(Lookup[DeviceCommand], Protocol):
    """The device commands."""

    async def add(self, command: DeviceCommand, message: OutboxMessage) -> None:
        """Store a command with its message.

        Raises:
            ConflictError: It exists already.
        """
        ...

    async def request_cancel(self, command_id: str, at: datetime, message: OutboxMessage) -> None:
        """Note that a command shall be taken back, with its message."""
        ...

    async def of_device(
        self, app_id: str, device_id: str, status: DeviceCommandStatus | None, limit: int, after: str | None
    ) -> Page[DeviceCommand]:
        """Return one page of a device's commands.

        Raises:
            InvalidError: `after` is no cursor.
        """
        ...
