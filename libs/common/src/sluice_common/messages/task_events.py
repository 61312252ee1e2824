"""`task-events`, key task_id: what app servers did to tasks.

No service reads them: the relay works from the task's document, the rules hear of each device. They are a record for
others.
"""

from datetime import datetime

from sluice_common.messages.base import Message


class TaskCreated(Message, frozen=True, kw_only=True):
    """A task was created; the relay expands it into one `ExecutionRequested` per device."""

    task_id: str
    name: str
    package_id: str
    target_version: str
    created_at: datetime


class TaskStopRequested(Message, frozen=True, kw_only=True):
    """A running task shall stop (R119); the relay walks its devices with `ExecutionStopRequested`."""

    task_id: str


TaskEvent = TaskCreated | TaskStopRequested
