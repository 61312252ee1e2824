"""Tasks: what users do to them, and how the platform stops them."""

from datetime import datetime

from msgspec.structs import replace

from sluice_api.application.ports.tasks import StoppableTasks, TaskRepository
from sluice_api.application.services import Services
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import Package, Targets, Task
from sluice_api.domain.outbox import OutboxMessage, entry
from sluice_api.domain.packages import require_usable, require_version_allowed
from sluice_api.domain.tasks import READING, UNDER_WAY, NewTask, new_task, require_expanded
from sluice_common.messages.execution_events import Reason
from sluice_common.messages.task_events import TaskCreated, TaskStopRequested
from sluice_common.reasons import ReasonCode
from sluice_common.topics import TASK_EVENTS


async def create_task(services: Services, new: NewTask, at: datetime, traceparent: str | None) -> Task:
    """Create a task, with all that its executions carry of package and product.

    What changes from here on the relay sees when the task begins (`StartCheck`).

    Raises:
        InvalidError: Package, devices, groups or the task to be retried are not there.
        ConflictError: The package is not verified, revoked, or of a version below the product's minimum; devices
            are busy; or the task to be retried has not all its executions yet, or is being retried.
    """
    await _require_targets(services, new.app_id, new.targets)
    await services.conflicts.require_free(new.app_id, new.targets)
    package = await _usable_package(services, new.app_id, new.package_id)
    product = await services.products.find(new.app_id, package.product_id)
    if product is None:
        raise InvalidError("package_id", "its product has been deleted", "unknown_product")
    require_version_allowed(package, product)
    task = replace(new_task(new, package, product, at), traceparent=traceparent)
    await services.tasks.add(task, _created(task, traceparent))
    return await services.tasks.get(new.app_id, new.task_id)


async def _require_targets(services: Services, app_id: str, targets: Targets) -> None:
    if targets.failed_of is not None:
        await _require_retriable(services, app_id, targets.failed_of)
    elif targets.group_ids is not None:
        await services.groups.require_all(app_id, targets.group_ids)
    else:
        await services.devices.require_all(app_id, targets.device_ids or ())


async def _require_retriable(services: Services, app_id: str, task_id: str) -> None:
    retried = await services.tasks.find(app_id, task_id)
    if retried is None:
        raise InvalidError("targets.failed_of", "no task of this app", "unknown_task")
    require_expanded(retried)
    if under_way := await services.tasks.retries_of(task_id, UNDER_WAY):
        raise ConflictError("retry_under_way", "Another task that retries this one is under way.", tasks=under_way)


async def _usable_package(services: Services, app_id: str, package_id: str) -> Package:
    package = await services.packages.find(app_id, package_id)
    if package is None:
        raise InvalidError("package_id", "no package of this app", "unknown_package")
    require_usable(package, await services.public_keys.status_of(package.key_id))
    return package


def _created(task: Task, traceparent: str | None) -> OutboxMessage:
    message = TaskCreated(
        app_id=task.app_id,
        occurred_at=task.created_at,
        traceparent=traceparent,
        task_id=task.task_id,
        name=task.name,
        package_id=task.package_id,
        target_version=task.target_version,
        created_at=task.created_at,
    )
    return entry(TASK_EVENTS, task.task_id, message)


async def stop_task(tasks: TaskRepository, app_id: str, task_id: str, at: datetime, traceparent: str | None) -> Task:
    """Stop a task; harmless if it is stopping already.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It has ended (R123).
    """
    await tasks.stop(app_id, task_id, at, _stop_requested(app_id, task_id, at, traceparent))
    task = await tasks.get(app_id, task_id)
    if task.status.is_final:
        raise ConflictError("task_ended", "The task has ended; there is nothing to stop.")
    return task


async def delete_task(tasks: TaskRepository, app_id: str, task_id: str, at: datetime) -> None:
    """Delete a task that has ended; the relay deletes its executions (R141, R142).

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It is under way, or a task that retries it has yet to read its executions.
    """
    if await tasks.remove(app_id, task_id, at):
        return
    if not (await tasks.get(app_id, task_id)).status.is_final:
        raise ConflictError("task_running", "A task that is under way cannot be deleted; stop it first.")
    detail = "A task that retries this one has yet to read its executions; wait until it runs, or stop it."
    raise ConflictError("task_being_retried", detail, tasks=await tasks.retries_of(task_id, READING))


class TaskStopper:
    """Stops tasks for a reason of the platform: their executions end as FAILED."""

    def __init__(self, tasks: StoppableTasks) -> None:
        self._tasks = tasks

    async def stop_for(self, app_id: str, task_id: str, reason: Reason, at: datetime) -> None:
        """Stop a task; harmless if it is stopping already or has ended."""
        await self._tasks.stop(app_id, task_id, at, _stop_requested(app_id, task_id, at, None), reason)

    async def stop_all_of(self, package_id: str, reason: ReasonCode, at: datetime) -> None:
        """Stop all tasks of a package."""
        for app_id, task_id in await self._tasks.stoppable_of(package_id):
            await self.stop_for(app_id, task_id, Reason(code=reason), at)


def _stop_requested(app_id: str, task_id: str, at: datetime, traceparent: str | None) -> OutboxMessage:
    message = TaskStopRequested(app_id=app_id, occurred_at=at, traceparent=traceparent, task_id=task_id)
    return entry(TASK_EVENTS, task_id, message)
