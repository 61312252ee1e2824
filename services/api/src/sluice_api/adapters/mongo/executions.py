"""Executions, as users ask for them."""

from sluice_api.adapters.mongo.collections import EXECUTIONS, TASKS, Filter
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository, page_of
from sluice_api.domain.models import Execution, Page, Record
from sluice_common.ids import execution_id, split_execution_id
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.mongo import Database

_CODEC = RecordCodec(Execution, "execution_id")


class Executions(TenantRepository[Execution, Record]):
    """The executions."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, EXECUTIONS, _CODEC, "execution")

    async def find(self, app_id: str, identifier: str) -> Execution | None:
        """Return the execution unless its task is not the app's, or deleted."""
        try:
            task_id, _ = split_execution_id(identifier)
        except ValueError:
            return None
        if not await self._exists(TASKS, {"_id": task_id, "app_id": app_id}):
            return None
        return await super().find(app_id, identifier)

    async def of_task(
        self, task_id: str, device_id: str | None, status: ExecutionStatus | None, limit: int, after: str | None
    ) -> Page[Execution]:
        """Return one page of a task's executions, in order of devices."""
        query: Filter = {"task_id": task_id}
        if device_id is not None:
            only = execution_id(task_id, device_id)
            query["_id"] = {"$gte": only, "$lte": only}
        elif status is None:
            # The ids' own index gives order and bounds; `task_id` is for servers that cannot range over ids.
            query["_id"] = {"$gt": f"{task_id}:", "$lt": f"{task_id};"}
        if status is not None:
            query["status"] = status.value
        return await page_of(self._documents, _CODEC, query, limit, after)

    async def of_device(
        self, app_id: str, device_id: str, status: ExecutionStatus | None, limit: int, after: str | None
    ) -> Page[Execution]:
        """Return one page of a device's executions, oldest task first."""
        query = {"device_id": device_id, "app_id": app_id} | ({"status": status.value} if status else {})
        return await page_of(self._documents, _CODEC, query, limit, after)
