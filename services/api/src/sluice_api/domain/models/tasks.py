"""Tasks: upgrades of many devices to one package."""

from datetime import datetime, timedelta
from enum import StrEnum

from sluice_api.domain.models.base import Record
from sluice_common.messages.execution_events import ExecutionStatus, Reason
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_common.reasons import ReasonCode


class TaskStatus(StrEnum):
    """State of a task."""

    SCHEDULED = "SCHEDULED"
    EXPANDING = "EXPANDING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    FINISHED = "FINISHED"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        """Return whether nothing follows: only then may a task be deleted (R141, R142)."""
        return self in (self.FINISHED, self.STOPPED)


class TaskResult(StrEnum):
    """How a task has ended."""

    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


class Targets(Record, frozen=True, kw_only=True):
    """Which devices: a list, groups, or those that failed in another task; lists of tasks leave out `device_ids`.

    Attributes:
        failed_of: A task, of which those devices are meant whose executions have one of the statuses.
        statuses: FAILED, STOPPED or both; empty without such a task.
    """

    device_ids: tuple[str, ...] | None = None
    group_ids: tuple[str, ...] | None = None
    failed_of: str | None = None
    statuses: tuple[ExecutionStatus, ...] = ()


class TaskPolicy(UpgradePolicy, frozen=True, kw_only=True):
    """How a task treats each device.

    Attributes:
        start_at: When a task that is not to begin at once begins.
    """

    start_at: datetime | None = None

    def of_executions(self) -> UpgradePolicy:
        """Return what executions carry of it."""
        return UpgradePolicy(
            waiting=self.waiting,
            max_retries=self.max_retries,
            retry_interval=self.retry_interval,
            end_at=self.end_at,
            timeouts=self.timeouts,
        )


class Progress(Record, frozen=True, kw_only=True, omit_defaults=False):
    """How many executions are in which state; they add up to `total`."""

    total: int = 0
    waiting: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    stopped: int = 0


class Checkpoint(Record, frozen=True, kw_only=True, omit_defaults=False):
    """How far the expansion of a task is.

    Attributes:
        page: Pages that are complete.
        group: Index of the target group that is being read; 0 for listed devices.
        after: Last device of the last page.
        total: Executions of these pages.
        complete: Whether all executions are there.
    """

    page: int = 0
    group: int = 0
    after: str = ""
    total: int = 0
    complete: bool = False


class Task(Record, frozen=True, kw_only=True, rename={"stop_code": "stop_reason"}):
    """A task (R130-R137).

    Attributes:
        result: How it has ended; None for one that has not, or had no executions.
        package: What executions carry of the package, as it was when the task was created.
        product: The same of the package's product.
        expansion: How far its executions have been made.
        stop_code: Why the platform stopped it; None if a user did, or nobody.
        stop_params: Parameters of that.
        stop_after: Last execution that has been asked to stop, "" before the first.
        traceparent: Trace context of the request that created it.
    """

    task_id: str
    app_id: str
    name: str
    package_id: str
    targets: Targets
    policy: TaskPolicy
    status: TaskStatus
    result: TaskResult | None
    progress: Progress
    package: PackageSnapshot
    product: ProductSnapshot
    expansion: Checkpoint
    created_at: datetime
    ended_at: datetime | None
    stop_code: ReasonCode | None = None
    stop_params: dict[str, str] = {}
    stop_after: str = ""
    traceparent: str | None = None

    @property
    def target_version(self) -> str:
        """The version that devices are upgraded to."""
        return self.package.version

    @property
    def stop_reason(self) -> Reason | None:
        """Why the platform stopped it."""
        return None if self.stop_code is None else Reason(code=self.stop_code, params=self.stop_params)

    @property
    def begins_at(self) -> datetime:
        """When it begins: one for later then, not when it was asked for."""
        return max(self.created_at, self.policy.start_at or self.created_at)

    @property
    def runs_at(self) -> datetime:
        """When its executions cease to wait (R117)."""
        return self.begins_at + timedelta(seconds=self.policy.waiting)


class TaskFilter(Record, frozen=True, kw_only=True):
    """Which tasks to list; None means any."""

    status: TaskStatus | None = None
    package_id: str | None = None
