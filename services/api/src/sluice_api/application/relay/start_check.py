"""A check whether a task may begin, made once more when it is about to.

A task was checked when it was created. Since then its package may have been deleted, its key revoked, or the least
version of its product raised. Whoever does the first two closes the package first and looks for tasks then, and the
task is stored before this check: one of the two sees the other, whenever a process ends in between. So it is with the
deletion of a task that another one retries.
"""

from datetime import datetime
from typing import Protocol

from sluice_api.application.tasks import TaskStopper
from sluice_api.domain.models import KeyStatus, Package, Product, Task, TaskStatus
from sluice_api.domain.packages import why_unusable, why_version_refused
from sluice_common.messages.execution_events import Reason
from sluice_common.reasons import ReasonCode


class StartCheckStore(Protocol):
    """What a task depends on, as it is now."""

    async def package(self, package_id: str) -> Package | None:
        """Return a package, None if it has been deleted."""
        ...

    async def key_status(self, key_id: str | None) -> KeyStatus | None:
        """Return the status of a public key, None if it has been deleted."""
        ...

    async def has_task(self, task_id: str) -> bool:
        """Return whether a task is there and has not been deleted."""
        ...

    async def product(self, product_id: str) -> Product | None:
        """Return a product, None if it has been deleted."""
        ...


class StartCheck:
    """Checks a task before its first page."""

    def __init__(self, store: StartCheckStore, tasks: TaskStopper) -> None:
        self._store = store
        self._tasks = tasks

    async def stop_if_unfit(self, task: Task, at: datetime) -> bool:
        """Stop a task that must not begin; return whether that was so."""
        why = await self._why_unfit(task)
        if why is not None:
            await self._tasks.stop_for(task.app_id, task.task_id, why, at)
        return why is not None

    async def _why_unfit(self, task: Task) -> Reason | None:
        if (retried := task.targets.failed_of) is not None and not await self._store.has_task(retried):
            return Reason(code=ReasonCode.RETRIED_TASK_DELETED)
        return await self._why_package_unfit(task)

    async def _why_package_unfit(self, task: Task) -> Reason | None:
        package = await self._store.package(task.package_id)
        key = await self._store.key_status(package.key_id) if package else None
        if (code := why_unusable(package, key)) is not None:
            return Reason(code=code)
        if package is None or task.status is not TaskStatus.SCHEDULED:
            # One that begins at once was compared just now, and must not change with its product once it has begun.
            return None
        product = await self._store.product(package.product_id)
        if product is None:
            return None
        return why_version_refused(package.version or "", product, is_signed=package.is_version_signed)
