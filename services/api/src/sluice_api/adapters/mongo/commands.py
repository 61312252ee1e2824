"""Device commands. The scheduler sends and ends them."""

from collections.abc import Callable
from datetime import datetime

from sluice_api.adapters.mongo.collections import COMMANDS
from sluice_api.adapters.mongo.outbox import also_send, no_hint, with_messages
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository, page_of
from sluice_api.domain.models import DeviceCommand, Page, Record
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.messages.execution_events import DeviceCommandStatus
from sluice_common.mongo import Database

_CODEC = RecordCodec(DeviceCommand, "command_id")


class Commands(TenantRepository[DeviceCommand, Record]):
    """The device commands.

    Args:
        database: The database.
        hint: Called when a message waits for the relay.
    """

    def __init__(self, database: Database, hint: Callable[[], None] = no_hint) -> None:
        super().__init__(database, COMMANDS, _CODEC, "command")
        self._hint = hint

    async def add(self, command: DeviceCommand, message: OutboxMessage) -> None:
        """Store a command with its message.

        Raises:
            ConflictError: It exists already.
        """
        document = with_messages(_CODEC.document(command), command.created_at, message)
        await self._insert(document, "The command exists already.")
        self._hint()

    async def request_cancel(self, command_id: str, at: datetime, message: OutboxMessage) -> None:
        """Note that a command shall be taken back, with its message."""
        change = also_send(at, message)
        change["$set"]["cancel_requested"] = True
        await self._documents.update_one({"_id": command_id}, change)
        self._hint()

    async def of_device(
        self, app_id: str, device_id: str, status: DeviceCommandStatus | None, limit: int, after: str | None
    ) -> Page[DeviceCommand]:
        """Return one page of a device's commands."""
        query = {"device_id": device_id, "app_id": app_id} | ({"status": status.value} if status else {})
        return await page_of(self._documents, _CODEC, query, limit, after)
