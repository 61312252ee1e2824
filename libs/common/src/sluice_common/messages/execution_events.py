"""`execution-events`, key execution_id (command_id, device_id), partitioned by device: snapshots for readers."""

from datetime import datetime

from sluice_common.messages.base import Message, Value
from sluice_common.messages.device_events import ResourceValue
from sluice_common.messages.slots import CoverageClass
from sluice_common.open_enum import OpenStrEnum
from sluice_common.reasons import ReasonCode


class ExecutionStatus(OpenStrEnum):
    """State of an execution as users see it (R117–R121)."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        """Return whether nothing follows; unknown ones go on, until a version that knows them says otherwise."""
        return self in (self.SUCCEEDED, self.FAILED, self.STOPPED)


class Step(OpenStrEnum):
    """Where in the flow a waiting or running execution is (`docs/upgrade.md`)."""

    WAITING = "WAITING"
    AWAIT_ONLINE = "AWAIT_ONLINE"
    QUERY_VERSION = "QUERY_VERSION"
    QUERY_COVERAGE = "QUERY_COVERAGE"
    QUERY_CELL = "QUERY_CELL"
    AWAIT_SLOT = "AWAIT_SLOT"
    OBSERVE = "OBSERVE"
    DOWNLOADING = "DOWNLOADING"
    UPDATING = "UPDATING"
    QUERY_RESULT = "QUERY_RESULT"
    CANCEL_OBSERVE = "CANCEL_OBSERVE"
    CLOSING = "CLOSING"
    RETRY_WAIT = "RETRY_WAIT"
    ENDED = "ENDED"


class Reason(Value, frozen=True, kw_only=True):
    """Why an attempt failed, or a note on how it ended: a code with parameters (D14)."""

    code: ReasonCode
    params: dict[str, str] = {}


class Coverage(Value, frozen=True, kw_only=True):
    """What the device reported of its radio (R066).

    Attributes:
        cell_id: Cell id.
        rsrp: dBm after the product's scale, None if unreadable.
        sinr: dB after the product's scale, None if unreadable.
        coverage_class: The class that follows.
        network: Network part of the window's key.
        bearer: Network bearer, `/4/0/0` (7 is NB-IoT), None if unreadable.
        link_quality: `/4/0/3` in the bearer's own measure (for NB-IoT NRSRQ), None if unreadable.
    """

    cell_id: int
    rsrp: float | None = None
    sinr: float | None = None
    coverage_class: CoverageClass
    network: str
    bearer: int | None = None
    link_quality: float | None = None


class HistoryEntry(Value, frozen=True, kw_only=True):
    """One thing that happened to an execution: a step entered, or an attempt's end with its reason."""

    at: datetime
    attempt: int
    step: Step
    reason: Reason | None = None


class ExecutionChanged(Message, frozen=True, kw_only=True):
    """Full snapshot of an execution; the one with the highest version is true.

    Attributes:
        firmware_state: Last known `/5/0/3` of the running attempt.
        reported_version: Last version that the device reported.
        source_version: Version before the first attempt.
        next_attempt_at: When RETRY_WAIT ends.
        detail: Note on a success, for example that the version was the target already.
        history: From creation on, oldest first.
    """

    execution_id: str
    task_id: str
    device_id: str
    version: int
    status: ExecutionStatus
    step: Step
    attempt: int
    max_retries: int
    target_version: str
    source_version: str | None = None
    reported_version: str | None = None
    coverage: Coverage | None = None
    firmware_state: int | None = None
    reason: Reason | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    next_attempt_at: datetime | None = None
    history: tuple[HistoryEntry, ...] = ()


class DeviceCommandStatus(OpenStrEnum):
    """State of a device command."""

    PENDING = "PENDING"
    SENT = "SENT"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Return whether nothing follows."""
        return self.is_known and self not in (self.PENDING, self.SENT)


class DeviceCommandChanged(Message, frozen=True, kw_only=True):
    """Full snapshot of a device command; the one with the highest version is true."""

    command_id: str
    device_id: str
    version: int
    status: DeviceCommandStatus
    code: str | None = None
    values: dict[str, ResourceValue] = {}
    detail: str | None = None


class DeviceFirmwareChanged(Message, frozen=True, kw_only=True):
    """Which firmware a device runs, where no snapshot of an execution says so; the last one of a device is true.

    Attributes:
        device_id: The device; also the record's key.
        firmware_version: As the device reported it.
    """

    device_id: str
    firmware_version: str


ExecutionEvent = ExecutionChanged | DeviceCommandChanged | DeviceFirmwareChanged
