"""The record of one device: its registration, its active execution, its commands, and what has ended.

The record is all that `decide` knows; it is stored whole, one per device. Fields that users see are kept as the
snapshots want them (`datetime`), those that rules compare as seconds since 1970. Leaves out its bytes (`records`).
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from sluice_common.messages.execution_events import Coverage, ExecutionStatus, HistoryEntry, Reason, Step
from sluice_common.messages.lwm2m_commands import DeviceRequest
from sluice_common.messages.slots import Grant, WindowKey, task_window
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_common.reasons import ReasonCode

MQTT = "MQTT"
"""The device protocol of products whose devices know no cells; all others are taken for LwM2M."""


class Link(msgspec.Struct, frozen=True, array_like=True):
    """How the device is reached.

    Attributes:
        gateway: Ordinal of the gateway that owns the registration.
        epoch: Of the registration; a lower one is outdated.
        awake_until: Seconds since 1970 until which it answers without speaking first.
        queue_mode: Whether it sleeps.
    """

    gateway: int
    epoch: int
    awake_until: float
    queue_mode: bool = False


class Awaited(msgspec.Struct, frozen=True, array_like=True):
    """The command whose outcome the active execution waits for.

    Attributes:
        command_id: Its id; outcomes of other commands are history.
        epoch: The registration that it was meant for.
    """

    command_id: str
    epoch: int


class SlotState(StrEnum):
    """What the attempt has of its window.

    `none`: nothing. `asked`: a place in the queue, and a grant of `ask_no` would be taken.
    `held`: the slot, under the grant `ask_no`. `kept`: only the place; a grant would be returned.
    """

    NONE = "none"
    ASKED = "asked"
    HELD = "held"
    KEPT = "kept"


class After(StrEnum):
    """What follows when the attempt has been cleaned up."""

    END = "end"
    RETRY = "retry"
    ASK_AGAIN = "ask_again"


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """How the attempt came out, while its traces (token, slot, observation) are still being removed."""

    after: After
    status: ExecutionStatus
    reason: Reason | None = None


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run through the flow; a retry starts from a fresh one.

    Attributes:
        number: From 1.
        busy: The device still works at the last attempt; it is awaited before this one goes on.
        reset: `/5/0/1` was written empty to get the device out of its last attempt.
        coverage: What the device reported of its radio.
        coverage_epoch: Registration under which it did.
        coverage_until: Until when that counts while the device waits, seconds since 1970.
        slot: What it has of its window.
        ask_no: Number of the newest ask.
        slot_yields: How often a slot was returned because the device did not answer; MQTT: since its last byte.
        needs_fence: A Package URI or a download token may be with the device; it must be fenced at the end.
        not_after: End of the image token, seconds since 1970.
        start_by: When the download must have begun.
        epoch: Registration that the coverage query, later the URI, then the Execute was meant for.
        firmware_state: Last known `/5/0/3`.
        started: The download has begun.
        execute_id: Command id of the Execute; the only one that this attempt will ever send.
        unsent: The gateway answered that it did not send the Execute.
        update_start_by: When the update must have begun.
        update_by: When its result must be known.
        recheck: Something happened during a result query: ask again if its answer is not final.
        online_by: When the device must have answered; later than that it is not waited for (MQTT only, like all below).
        unanswered: How many version queries it has left unanswered.
        pending_failure: Why the attempt fails unless the device turns out to run the target version.
    """

    number: int = 1
    busy: bool = False
    reset: bool = False
    coverage: Coverage | None = None
    coverage_epoch: int = -1
    coverage_until: float = 0.0
    slot: SlotState = SlotState.NONE
    ask_no: int = -1
    slot_yields: int = 0
    needs_fence: bool = False
    not_after: float = 0.0
    start_by: float = 0.0
    epoch: int = -1
    firmware_state: int | None = None
    started: bool = False
    execute_id: str | None = None
    unsent: bool = False
    update_start_by: float = 0.0
    update_by: float = 0.0
    recheck: bool = False
    online_by: float = 0.0
    unanswered: int = 0
    pending_failure: ReasonCode | None = None


def window_of(coverage: Coverage) -> WindowKey:
    """Return the window of the devices in this cell and class."""
    return WindowKey(network=coverage.network, cell_id=coverage.cell_id, coverage_class=coverage.coverage_class)


class Execution(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The active execution.

    Attributes:
        version: Of its last snapshot.
        shown: Step that the last snapshot shows.
        deadline: Seconds since 1970 when the step's wait ends.
        redrives: How often the step was driven again by its deadline.
        awaited: The command in flight, None if the gateway has answered.
        observed: `/5/0/3` may be observed; cancelled at the end (R085).
        verdict: Set while the attempt is being cleaned up.
    """

    execution_id: str
    task_id: str
    app_id: str
    product: ProductSnapshot
    package: PackageSnapshot
    policy: UpgradePolicy
    created_at: datetime
    version: int = 0
    shown: Step | None = None
    status: ExecutionStatus = ExecutionStatus.WAITING
    step: Step = Step.WAITING
    attempt: Attempt
    deadline: float = 0.0
    redrives: int = 0
    awaited: Awaited | None = None
    observed: bool = False
    verdict: Verdict | None = None
    source_version: str | None = None
    reported_version: str | None = None
    started_at: datetime | None = None
    next_attempt_at: datetime | None = None
    history: tuple[HistoryEntry, ...] = ()

    @property
    def is_mqtt(self) -> bool:
        """Return whether the device speaks MQTT."""
        return self.product.protocol == MQTT

    @property
    def window(self) -> WindowKey | None:
        """The window that the attempt belongs to: its task's, or its cell's once its coverage is known."""
        if self.is_mqtt:
            return task_window(self.task_id)
        return window_of(self.attempt.coverage) if self.attempt.coverage else None

    @property
    def grant(self) -> Grant:
        """The name of the newest ask and of the grant that answers it."""
        return Grant(execution_id=self.execution_id, attempt=self.attempt.number, ask_no=self.attempt.ask_no)

    @property
    def end_at(self) -> float:
        """The task's end time in seconds since 1970, infinite if it has none."""
        return self.policy.end_at.timestamp() if self.policy.end_at else float("inf")


class CommandState(StrEnum):
    """State of an unfinished device command."""

    PENDING = "PENDING"
    SENT = "SENT"


class DeviceCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An unfinished device command (R111).

    Attributes:
        deadline: Seconds since 1970: when it expires while pending, when its answer is overdue while sent.
        expires_at: Seconds since 1970; not sent after this.
        epoch: Registration that it was last sent to.
        version: Of its last snapshot.
    """

    command_id: str
    app_id: str
    request: DeviceRequest
    expires_at: float
    deadline: float
    state: CommandState = CommandState.PENDING
    epoch: int = -1
    version: int = 0


class Device(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All that the rules know of one device.

    Attributes:
        device_id: The device.
        offset: Offset of the last event that changed the record; that one and earlier ones are done.
        link: How it is reached; None until it registers.
        execution: The active execution, at most one.
        commands: Unfinished device commands, oldest first.
        ended: Ids of ended executions and when they ended, seconds since 1970, oldest first. They outlive the
            retention of the input topics, so that late duplicates are known for what they are.
        ended_commands: The same of device commands, but only of so many: one that comes again is asked again.
    """

    device_id: str
    offset: int = -1
    link: Link | None = None
    execution: Execution | None = None
    commands: tuple[DeviceCommand, ...] = ()
    ended: dict[str, float] = {}
    ended_commands: dict[str, float] = {}


class Deadline(msgspec.Struct, frozen=True, order=True):
    """A deadline of a record; the fields are those of `DeadlinePassed`."""

    at: float
    app_id: str
    subject: str
    attempt: int
    step: str


def deadlines(device: Device) -> list[Deadline]:
    """Return every deadline of the record: one of the active execution, one of each device command."""
    found = [Deadline(c.deadline, c.app_id, c.command_id, 0, c.state.value) for c in device.commands]
    execution = device.execution
    if execution is not None:
        found.append(
            Deadline(
                execution.deadline,
                execution.app_id,
                execution.execution_id,
                execution.attempt.number,
                execution.step.value,
            )
        )
    return found
