"""What the scheduler does to devices: executions of tasks, and device commands."""

from datetime import datetime
from enum import StrEnum

from sluice_api.domain.models.base import Record
from sluice_common.messages.device_events import ResourceValue
from sluice_common.messages.execution_events import (
    Coverage,
    DeviceCommandStatus,
    ExecutionStatus,
    HistoryEntry,
    Reason,
    Step,
)


class Execution(Record, frozen=True, kw_only=True):
    """One device in one task, as the scheduler last reported it.

    Attributes:
        group_ids: Groups of the device.
        page: Page of the expansion that made it; None for one that was restored from a snapshot.
        version: Of the snapshot; -1 before the first.
        active: Whether it has not ended.
        runs_at: When WAITING ends by the clock (R117); None for one that an older version made.
        source_version: Version before the first attempt.
        firmware_state: Last known `/5/0/3` of the running attempt.
        next_attempt_at: When the wait for a retry ends.
        stop_requested: Whether it alone shall be stopped.
        history: From creation on, oldest first.
    """

    execution_id: str
    app_id: str
    task_id: str
    device_id: str
    endpoint: str
    product_id: str
    group_ids: tuple[str, ...]
    version: int
    active: bool
    status: ExecutionStatus
    step: Step
    attempt: int
    max_retries: int
    target_version: str
    created_at: datetime
    history: tuple[HistoryEntry, ...]
    page: int | None = None
    runs_at: datetime | None = None
    source_version: str | None = None
    reported_version: str | None = None
    coverage: Coverage | None = None
    firmware_state: int | None = None
    reason: Reason | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    next_attempt_at: datetime | None = None
    stop_requested: bool = False


class Operation(StrEnum):
    """What a device command asks of a device."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"


class DeviceCommand(Record, frozen=True, kw_only=True):
    """A request of an app that a device gets at its next uplink (R111, D08).

    Attributes:
        group_ids: Groups of the device.
        value: What is written, or the arguments of an execute.
        version: Of the snapshot; -1 before the first.
        open: Whether it has not ended.
        cancel_requested: Whether it shall be taken back.
        code: CoAP response code of the device.
        values: What was read, by path.
        detail: Why it failed.
    """

    command_id: str
    app_id: str
    device_id: str
    group_ids: tuple[str, ...]
    operation: Operation
    path: str
    value: str | int | float | bool | None
    status: DeviceCommandStatus
    version: int
    open: bool
    created_at: datetime
    expires_at: datetime
    cancel_requested: bool = False
    code: str | None = None
    values: dict[str, ResourceValue] = {}
    detail: str | None = None
