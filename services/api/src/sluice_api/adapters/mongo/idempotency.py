"""Reservations by `Idempotency-Key`; answers with secrets are sealed."""

from dataclasses import replace
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from sluice_api.adapters.mongo.collections import IDEMPOTENCY, Document
from sluice_api.application.ports import Answer, Reservation
from sluice_api.domain.errors import InProgressError
from sluice_common.mongo import Database
from sluice_common.sealing import NoSealingKeyError, Sealer

_KEPT = timedelta(hours=24)
_ABANDONED = timedelta(seconds=60)
"""After this a reservation without an answer counts as left behind by a process that died."""


class Idempotency:
    """Reservations by key."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._keys = database[IDEMPOTENCY]
        self._sealer = sealer

    def require_sealing(self) -> None:
        """Check, before anything is created, that an answer with a secret can be kept.

        Raises:
            NoSealingKeyError: It cannot.
        """
        if not self._sealer.has_key:
            raise NoSealingKeyError

    async def reserve(self, name: str, resource_id: str, now: datetime) -> Reservation:
        """Reserve a key, or find what was answered under it.

        Args:
            name: App, operation and key.
            resource_id: Id for the resource if the key is new.
            now: Now.

        Raises:
            InProgressError: Another request with this key is being worked on.
        """
        document = {"_id": name, "resource_id": resource_id, "since": now, "expires_at": now + _KEPT}
        try:
            await self._keys.insert_one(document)
        except DuplicateKeyError:
            return await self._earlier(name, now)
        return Reservation(name, resource_id)

    async def rename(self, reservation: Reservation, resource_id: str) -> Reservation:
        """Let a reservation name another resource, before that is created."""
        await self._keys.update_one({"_id": reservation.name}, {"$set": {"resource_id": resource_id}})
        return replace(reservation, resource_id=resource_id)

    async def finish(self, reservation: Reservation, answer: Answer) -> None:
        """Remember the answer."""
        done = {"fingerprint": answer.fingerprint, "status": answer.status}
        done |= {"sealed": self._sealer.seal(answer.body)} if answer.secret else {"body": answer.body}
        await self._keys.update_one({"_id": reservation.name}, {"$set": done})

    async def release(self, reservation: Reservation) -> None:
        """Forget the key: nothing was created."""
        await self._keys.delete_one({"_id": reservation.name})

    async def _earlier(self, name: str, now: datetime) -> Reservation:
        document: Document = await self._keys.find_one({"_id": name}) or {}
        if "status" in document:
            secret = "sealed" in document
            body = self._sealer.open(document["sealed"]) if secret else document["body"]
            answer = Answer(document["fingerprint"], document["status"], body, secret)
            return Reservation(name, document["resource_id"], answer=answer)
        if document and now - document["since"] > _ABANDONED:
            taken = await self._keys.update_one({"_id": name, "since": document["since"]}, {"$set": {"since": now}})
            if taken.modified_count:
                return Reservation(name, document["resource_id"], resumed=True)
        detail = "A request with this Idempotency-Key is being worked on; ask again in a moment."
        raise InProgressError("idempotency_key_in_use", detail)
