"""What the relay reads."""

from collections.abc import Sequence

import msgspec

from sluice_api.domain.models import Task
from sluice_api.domain.outbox import OutboxMessage


class OutboxDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that the relay has to look at.

    Attributes:
        id: Its id.
        outbox: The messages that wait in it, oldest first.
    """

    id: str
    outbox: tuple[OutboxMessage, ...] = ()


class DueTask(OutboxDocument, frozen=True, kw_only=True):
    """A task that the relay has to look at.

    Attributes:
        task: The task; None if it has been deleted, and its executions are still to be.
        unreadable: Why the task cannot be read; None if it can.
    """

    task: Task | None
    unreadable: str | None = None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a task upgrades.

    Attributes:
        device_id: Its id.
        product_id: Its own product, which may be another than the package's.
        endpoint: Its endpoint name.
        group_ids: Its groups.
    """

    device_id: str
    product_id: str
    endpoint: str
    group_ids: list[str]


class PlannedPage(msgspec.Struct, frozen=True, kw_only=True):
    """Devices whose executions are made together; stored before the first of them, so that a relay can go on with it.

    Attributes:
        group: Index of the target group that it is of; 0 for listed devices.
        after: Last device that was read for it.
        members: The devices, in the order of their ids.
    """

    group: int
    after: str
    members: Sequence[Member]


class ActiveExecution(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that has not ended."""

    execution_id: str
    device_id: str
