"""Device commands and subscriptions."""

from datetime import datetime, timedelta

from sluice_api.adapters.mongo.collections import COMMANDS, DELIVERIES, SUBSCRIPTIONS, Document
from sluice_api.adapters.mongo.outbox import also_send, with_messages
from sluice_api.adapters.mongo.repository import TenantRepository, page_of
from sluice_api.domain.errors import ConflictError
from sluice_api.domain.outbox import entry
from sluice_common.messages.device_events import DeviceCommandCancelRequested, DeviceCommandRequested
from sluice_common.messages.execution_events import DeviceCommandStatus
from sluice_common.messages.lwm2m_commands import DeviceRequest
from sluice_common.mongo import Database
from sluice_common.topics import DEVICE_EVENTS


class Commands(TenantRepository):
    """The device commands. The scheduler sends and ends them."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, COMMANDS, "command")

    async def create(
        self, command: Document, request: DeviceRequest, at: datetime, traceparent: str | None
    ) -> Document:
        """Store a command together with its message.

        Args:
            command: `_id`, `app_id`, `device_id`, `group_ids`, `operation`, `path`, `value`, `expires_in`.
            request: What the device shall be asked.
            at: Now.
            traceparent: Of the HTTP request.
        """
        expires_at = at + timedelta(seconds=command.pop("expires_in"))
        message = DeviceCommandRequested(
            app_id=command["app_id"],
            occurred_at=at,
            traceparent=traceparent,
            device_id=command["device_id"],
            command_id=command["_id"],
            request=request,
            expires_at=expires_at,
        )
        document = command | {
            "status": DeviceCommandStatus.PENDING.value,
            "open": True,
            "version": -1,
            "created_at": at,
            "expires_at": expires_at,
        }
        waiting = entry(DEVICE_EVENTS, command["device_id"], message)
        return await self.insert(with_messages(document, at, waiting), "The command exists already.")

    async def of_device(
        self, app_id: str, device_id: str, status: str | None, limit: int, after: str | None
    ) -> tuple[list[Document], str | None]:
        """Return one page of a device's commands."""
        query = {"device_id": device_id, "app_id": app_id} | ({"status": status} if status else {})
        return await page_of(self._documents, query, limit, after)

    async def cancel(self, app_id: str, command_id: str, at: datetime, traceparent: str | None) -> Document:
        """Ask for a pending command to be taken back; the scheduler decides.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It has been sent or has ended.
        """
        command = await self.get(app_id, command_id)
        if command["status"] != DeviceCommandStatus.PENDING.value:
            raise ConflictError("command_not_pending", f"The command is {command['status']}.")
        if not command.get("cancel_requested"):
            message = DeviceCommandCancelRequested(
                app_id=app_id,
                occurred_at=at,
                traceparent=traceparent,
                device_id=command["device_id"],
                command_id=command_id,
            )
            change = also_send(at, entry(DEVICE_EVENTS, command["device_id"], message))
            change["$set"]["cancel_requested"] = True
            await self._documents.update_one({"_id": command_id, "app_id": app_id}, change)
        return command | {"cancel_requested": True}


class Subscriptions(TenantRepository):
    """The subscriptions."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, SUBSCRIPTIONS, "subscription")

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a subscription; what waits to be delivered is given up.

        Raises:
            NotFoundError: There is none of that id.
        """
        await super().delete(app_id, identifier)
        # Delivery ids begin with the subscription's.
        ours = {"$gt": f"{identifier}:", "$lt": f"{identifier};"}
        await self._database[DELIVERIES].delete_many({"status": "PENDING", "_id": ours})
