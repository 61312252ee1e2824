"""Rules of tasks: their progress, their end, and what an execution carries of them. Pure."""

from collections.abc import Collection, Mapping
from datetime import datetime

from msgspec.structs import replace

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import (
    Checkpoint,
    Package,
    Product,
    Progress,
    Record,
    Targets,
    Task,
    TaskPolicy,
    TaskResult,
    TaskStatus,
)
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.messages.snapshots import ProductSnapshot, Timeouts

UNDER_WAY = (TaskStatus.SCHEDULED, TaskStatus.EXPANDING, TaskStatus.RUNNING, TaskStatus.STOPPING)
STOPPABLE = (TaskStatus.SCHEDULED, TaskStatus.EXPANDING, TaskStatus.RUNNING)
SLOT_TIMEOUTS = ("observe", "download_start", "download", "update_start", "update", "result", "slot_response", "close")
"""Timeouts of an LwM2M device that holds a slot; MQTT devices share theirs with nobody but their task."""
READING = (TaskStatus.SCHEDULED, TaskStatus.EXPANDING)
"""A task of these has yet to read the executions that it retries."""
FINAL = tuple(status for status in TaskStatus if status.is_final)


class NewTask(Record, frozen=True, kw_only=True):
    """A task as a user asks for it."""

    task_id: str
    app_id: str
    name: str
    package_id: str
    targets: Targets
    policy: TaskPolicy


def check_end(policy: TaskPolicy, now: datetime) -> None:
    """Check that a new task does not end before it begins.

    Raises:
        InvalidError: Its end lies in the past.
    """
    if policy.end_at is not None and policy.end_at <= now:
        raise InvalidError("policy.end_at", "lies in the past")


def bounded_timeouts(timeouts: Timeouts, given: Collection[str], longest: float) -> Timeouts:
    """Return the timeouts of a new task, none longer than the platform lets a device hold its cell's slot for a step.

    Args:
        timeouts: As asked for, with defaults.
        given: Those that the user has set; defaults are shortened.
        longest: Seconds.

    Raises:
        InvalidError: One that the user has set is longer.
    """
    too_long = {name for name in SLOT_TIMEOUTS if getattr(timeouts, name) > longest}
    for name in sorted(too_long & {*given}):
        detail = f"at most {longest:g} seconds: devices hold a slot meanwhile that all apps share"
        raise InvalidError(f"policy.timeouts.{name}", detail)
    return replace(timeouts, **dict.fromkeys(too_long, longest))


def new_task(new: NewTask, package: Package, product: Product, at: datetime) -> Task:
    """Return a task as it begins, with all that its executions carry of package and product."""
    later = new.policy.start_at is not None and new.policy.start_at > at
    return Task(
        task_id=new.task_id,
        app_id=new.app_id,
        name=new.name,
        package_id=new.package_id,
        targets=new.targets,
        policy=new.policy,
        status=TaskStatus.SCHEDULED if later else TaskStatus.EXPANDING,
        result=None,
        progress=Progress(),
        package=package.snapshot(),
        product=product.snapshot(),
        expansion=Checkpoint(),
        created_at=at,
        ended_at=None,
    )


def require_expanded(retried: Task) -> None:
    """Check that a task whose failed executions are to be retried has all its executions.

    Raises:
        ConflictError: It has not.
    """
    if retried.status in READING:
        raise ConflictError("task_not_expanded", "The task to be retried has not all its executions yet.")


def progress_of(total: int, counts: Mapping[ExecutionStatus, int]) -> Progress:
    """Return the progress of a task with so many executions, of which so many have ended.

    The others wait or run, by the clock (`progress_at`); an older version has counted those that run, too.

    While a task is being expanded, snapshots may come before the page that they are of is in the total.
    """
    by_name = {s.value.lower(): counts.get(s, 0) for s in ExecutionStatus if s.is_final}
    total = max(total, sum(by_name.values()))
    return Progress(total=total, waiting=total - sum(by_name.values()), **by_name)


def is_done(progress: Progress) -> bool:
    """Return whether all executions have ended."""
    return progress.waiting == progress.running == 0


def result_of(progress: Progress, status: TaskStatus) -> TaskResult | None:
    """Return the result of a task that has ended: None if it had no devices.

    Executions that were stopped singly leave the task what the others make of it: it was not stopped.
    """
    if progress.total == 0:
        return None
    if progress.stopped == progress.total or (progress.stopped and status is TaskStatus.STOPPED):
        return TaskResult.STOPPED
    if progress.succeeded == progress.total:
        return TaskResult.SUCCEEDED
    return TaskResult.PARTIAL if progress.succeeded else TaskResult.FAILED


def product_for(device_product_id: str, product: ProductSnapshot) -> ProductSnapshot:
    """Return the product snapshot of one device.

    A device of another product than the package's must never get its image: to the rules it has no capability for
    this upgrade, so that it fails at run time while the rest of the batch goes on (R015).
    """
    if device_product_id == product.product_id:
        return product
    return ProductSnapshot(product_id=device_product_id, protocol=product.protocol, firmware_upgrade=False)
