"""Tasks and their executions, as users ask for them."""

from datetime import datetime
from typing import Any

from sluice_api.adapters.mongo.collections import EXECUTIONS, PACKAGES, PRODUCTS, PUBLIC_KEYS, TASKS, Document
from sluice_api.adapters.mongo.outbox import also_send, with_messages
from sluice_api.adapters.mongo.repository import TenantRepository, page_of
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.outbox import entry
from sluice_api.domain.packages import status_of
from sluice_api.domain.public_keys import unusable
from sluice_api.domain.tasks import TaskStatus, package_snapshot, product_snapshot, progress_of, stored
from sluice_api.domain.versions import require_no_rollback
from sluice_common.ids import execution_id, split_execution_id
from sluice_common.messages.execution_events import Reason
from sluice_common.messages.task_events import TaskCreated, TaskStopRequested
from sluice_common.mongo import Database
from sluice_common.reasons import ReasonCode, reason_text
from sluice_common.topics import TASK_EVENTS

_STOPPABLE = (TaskStatus.SCHEDULED, TaskStatus.EXPANDING, TaskStatus.RUNNING)
_FINAL = (TaskStatus.FINISHED, TaskStatus.STOPPED)


class Tasks(TenantRepository):
    """The tasks. The relay expands and stops them; the projector counts and ends them."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, TASKS, "task")

    async def create(self, task: Document, at: datetime, traceparent: str | None) -> Document:
        """Store a task with its message and all that its executions carry of package and product.

        What changes from here on the relay sees when the task begins (`StartCheck`).

        Args:
            task: `_id`, `app_id`, `name`, `package_id`, `targets` and `policy`.
            at: Now.
            traceparent: Of the request.

        Raises:
            InvalidError: The package is unknown.
            ConflictError: It is not verified, revoked, or of a version below the product's minimum.
        """
        package = await self._package(task["app_id"], task["package_id"])
        product = await self._database[PRODUCTS].find_one({"_id": package["product_id"]})
        if product is None:
            raise InvalidError("package_id", "its product has been deleted", "unknown_product")
        require_no_rollback(package["version"], product)
        start_at = task["policy"].get("start_at")
        later = start_at is not None and start_at > at
        document = task | {
            "status": (TaskStatus.SCHEDULED if later else TaskStatus.EXPANDING).value,
            "result": None,
            "progress": progress_of({}),
            "package": stored(package_snapshot(package)),
            "product": stored(product_snapshot(product)),
            "expansion": {"page": 0, "group": 0, "after": "", "complete": False},
            "created_at": at,
            "ended_at": None,
        }
        message = TaskCreated(
            app_id=task["app_id"],
            occurred_at=at,
            traceparent=traceparent,
            task_id=task["_id"],
            name=task["name"],
            package_id=task["package_id"],
            target_version=package["version"],
            created_at=at,
        )
        due = start_at if later else at
        await self.insert(
            with_messages(document, due, entry(TASK_EVENTS, task["_id"], message)), "The task exists already."
        )
        return await self.get(task["app_id"], task["_id"])

    async def stop(self, app_id: str, task_id: str, at: datetime, traceparent: str | None) -> Document:
        """Stop a task; harmless if it is stopping already.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It has ended (R123).
        """
        await self._stop(app_id, task_id, at, traceparent)
        task = await self.get(app_id, task_id)
        if TaskStatus(task["status"]).is_final:
            raise ConflictError("task_ended", "The task has ended; there is nothing to stop.")
        return task

    async def stop_all_of(self, package_id: str, reason: ReasonCode, at: datetime) -> None:
        """Stop all tasks of a package for a reason of the platform: their executions end as FAILED."""
        for status in _STOPPABLE:
            using = {"package_id": package_id, "status": status.value}
            for task in await self._documents.find(using, {"app_id": 1}).to_list(None):
                await self.stop_for(task["app_id"], task["_id"], Reason(code=reason), at)

    async def stop_for(self, app_id: str, task_id: str, reason: Reason, at: datetime) -> None:
        """Stop a task for a reason of the platform; harmless if it is stopping already or has ended."""
        await self._stop(app_id, task_id, at, None, reason)

    async def _stop(
        self, app_id: str, task_id: str, at: datetime, traceparent: str | None, reason: Reason | None = None
    ) -> None:
        """Stop a task that has not ended and is not stopping."""
        message = TaskStopRequested(app_id=app_id, occurred_at=at, traceparent=traceparent, task_id=task_id)
        change = also_send(at, entry(TASK_EVENTS, task_id, message))
        change["$set"] |= {
            "status": TaskStatus.STOPPING.value,
            "stop_after": "",
            "stopped_at": at,
            "stop_reason": None if reason is None else reason.code.value,
            "stop_params": {} if reason is None else reason.params,
        }
        stoppable = {"_id": task_id, "app_id": app_id, "status": {"$in": [s.value for s in _STOPPABLE]}}
        await self._documents.update_one(stoppable, change)

    async def remove(self, app_id: str, task_id: str, at: datetime) -> None:
        """Delete a task that has ended; the relay deletes its executions (R141, R142).

        What stays is a tombstone without an app: no query of an app finds it, and nothing that arrives late brings
        its executions back.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It is under way.
        """
        ended = {"_id": task_id, "app_id": app_id, "status": {"$in": [s.value for s in _FINAL]}}
        tombstone = {"_id": task_id, "deleted_from": app_id, "deleted_at": at, "relay_at": at}
        result = await self._documents.replace_one(ended, tombstone)
        if result.modified_count == 0:
            await self.get(app_id, task_id)
            raise ConflictError("task_running", "A task that is under way cannot be deleted; stop it first.")

    async def _package(self, app_id: str, package_id: str) -> Document:
        package = await self._database[PACKAGES].find_one({"_id": package_id, "app_id": app_id})
        if package is None:
            raise InvalidError("package_id", "no package of this app", "unknown_package")
        why = await self._key_unusable(package)
        if package["status"] == "REVOKED" or why is ReasonCode.KEY_REVOKED:
            raise ConflictError("package_revoked", "The public key that verified the package was revoked.")
        if (status := status_of(package)) != "VERIFIED":
            raise ConflictError("package_not_verified", f"The package is {status}, not VERIFIED.")
        if why is not None:
            raise ConflictError("package_not_verified", f"{reason_text(why, {})}.")
        return package

    async def _key_unusable(self, package: Document) -> ReasonCode | None:
        return unusable(await self._database[PUBLIC_KEYS].find_one({"_id": package.get("key_id")}, {"status": 1}))


class Executions(TenantRepository):
    """The executions."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, EXECUTIONS, "execution")

    async def find(self, app_id: str, identifier: str) -> Document | None:
        """Return the execution unless its task is not the app's, or deleted."""
        try:
            task_id, _ = split_execution_id(identifier)
        except ValueError:
            return None
        task = await self._database[TASKS].find_one({"_id": task_id, "app_id": app_id}, {"_id": 1})
        return None if task is None else await super().find(app_id, identifier)

    async def of_task(
        self, task_id: str, device_id: str | None, status: str | None, limit: int, after: str | None
    ) -> tuple[list[Document], str | None]:
        """Return one page of a task's executions, in order of devices."""
        query: dict[str, Any] = {"task_id": task_id}
        if device_id is not None:
            only = execution_id(task_id, device_id)
            query["_id"] = {"$gte": only, "$lte": only}
        elif status is None:
            # The ids' own index gives order and bounds; `task_id` is for servers that cannot range over ids.
            query["_id"] = {"$gt": f"{task_id}:", "$lt": f"{task_id};"}
        if status is not None:
            query["status"] = status
        return await page_of(self._documents, query, limit, after)

    async def of_device(
        self, app_id: str, device_id: str, status: str | None, limit: int, after: str | None
    ) -> tuple[list[Document], str | None]:
        """Return one page of a device's executions, oldest task first."""
        query = {"device_id": device_id, "app_id": app_id} | ({"status": status} if status else {})
        return await page_of(self._documents, query, limit, after)
