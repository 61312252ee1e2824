"""Whether a task may begin: looked at once more when it is about to.

A task was checked when it was created. Since then its package may have been deleted, its key revoked, or the least
version of its product raised. Whoever does the first two closes the package first and looks for tasks then, and the
task is stored before this look: one of the two sees the other, whenever a process ends in between.
"""

from datetime import datetime

from sluice_api.adapters.mongo.collections import PACKAGES, PRODUCTS, PUBLIC_KEYS, Document
from sluice_api.adapters.mongo.tasks import Tasks
from sluice_api.domain.packages import unusable
from sluice_api.domain.tasks import TaskStatus
from sluice_api.domain.versions import rollback
from sluice_common.messages.execution_events import Reason
from sluice_common.mongo import Database


class StartCheck:
    """The look at a task before its first page."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._packages = database[PACKAGES]
        self._keys = database[PUBLIC_KEYS]
        self._products = database[PRODUCTS]
        self._tasks = tasks

    async def refused(self, task: Document, at: datetime) -> bool:
        """Stop a task that must not begin; return whether that was so."""
        why = await self._refusal(task)
        if why is not None:
            await self._tasks.stop_for(task, why, at)
        return why is not None

    async def _refusal(self, task: Document) -> Reason | None:
        package = await self._packages.find_one({"_id": task["package_id"]})
        key = await self._keys.find_one({"_id": package.get("key_id")}, {"status": 1}) if package else None
        if (code := unusable(package, key)) is not None:
            return Reason(code=code)
        if package is None or task["status"] != TaskStatus.SCHEDULED:
            # One that begins at once was compared just now, and must not change with its product once it has begun.
            return None
        product = await self._products.find_one({"_id": package["product_id"]}, {"anti_rollback": 1})
        return rollback(package["version"], product or {})
