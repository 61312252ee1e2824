"""The part of a record that one upgrade of the device is: the active execution."""

from datetime import datetime
from enum import StrEnum

import msgspec

from sluice_common.messages.execution_events import ExecutionStatus, HistoryEntry, Reason, Step
from sluice_common.messages.slots import Grant, WindowKey, task_window
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_rules.devices.attempt import Attempt, window_of

MQTT = "MQTT"
"""The device protocol of products whose devices know no cells; all others are taken for LwM2M."""


class Awaited(msgspec.Struct, frozen=True, array_like=True):
    """The command whose outcome the active execution waits for.

    Attributes:
        command_id: Its id; outcomes of other commands are history.
        epoch: The registration that it was meant for.
    """

    command_id: str
    epoch: int


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


class Execution(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The active execution.

    Attributes:
        version: Of its last snapshot.
        shown: Step that the last snapshot shows.
        deadline: Seconds since 1970 when the step's wait ends.
        ends_at: Seconds since 1970 when the step's time is over, all attempts at an answer together; 0 if unset.
        ask_at: Seconds since 1970 before which a busy device does not want to be asked again; 0 if it is not busy.
        redrives: How often the step was driven again by its deadline.
        awaited: The command in flight, None if the gateway has answered.
        not_sent: Id of the step's newest command if the gateway says that it was not sent; a copy of it may be.
        observed: `/5/0/3` may be observed; cancelled at the end (R085).
        verdict: Set while the attempt is being cleaned up.
        traceparent: Trace context of the task: what devices do of themselves carries none.
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
    ends_at: float = 0.0
    ask_at: float = 0.0
    redrives: int = 0
    awaited: Awaited | None = None
    not_sent: str | None = None
    observed: bool = False
    verdict: Verdict | None = None
    source_version: str | None = None
    reported_version: str | None = None
    started_at: datetime | None = None
    next_attempt_at: datetime | None = None
    history: tuple[HistoryEntry, ...] = ()
    traceparent: str | None = None

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
