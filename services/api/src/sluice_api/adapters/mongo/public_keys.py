"""Public keys of manufacturers, and what happens when one is revoked.

Revoking changes the key at once, so that no new task can use a package of it. The rest is the relay's
(`application.relay.revocation`), which finds the key by `relay_at`. Who makes something of a package while its key is
being revoked has the relay look at the key once more afterwards.
"""

from datetime import datetime
from typing import Any

import structlog

from sluice_api.adapters.mongo.collections import PACKAGES, PRODUCTS, PUBLIC_KEYS, Document
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.public_keys import KeyStatus, key_unusable, unusable
from sluice_common.messages.package_events import PublicKeyRef
from sluice_common.mongo import Database
from sluice_common.reasons import ReasonCode

_log = structlog.get_logger()
_MAX_ACTIVE = 32
"""Active keys of one manufacturer: each goes into the message of every upload and is tried by its verification."""


class PublicKeys(TenantRepository):
    """The public keys of manufacturers."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, PUBLIC_KEYS, "public key")

    async def create(self, document: dict[str, Any]) -> Document:
        """Store a key.

        Raises:
            InvalidError: No product has its manufacturer (R051).
            ConflictError: The manufacturer has it already or too many, or it is revoked.
        """
        wanted = {"app_id": document["app_id"], "manufacturer": document["manufacturer"]}
        if await self._database[PRODUCTS].find_one(wanted, {"_id": 1}) is None:
            raise InvalidError("manufacturer", "no product of this app has this manufacturer", "unknown_manufacturer")
        same = {"app_id": document["app_id"], "fingerprint": document["fingerprint"]}
        if await self._documents.find_one(same | {"status": KeyStatus.REVOKED.value}, {"_id": 1}):
            raise key_unusable(ReasonCode.KEY_REVOKED)
        if document["status"] == KeyStatus.ACTIVE.value:
            await self._require_room(document)
        return await self.insert(document, "The manufacturer has this key already.")

    async def of_manufacturer(self, app_id: str, manufacturer: str) -> tuple[PublicKeyRef, ...]:
        """Return the active keys that may have signed a package of a manufacturer (R053)."""
        wanted = {"app_id": app_id, "manufacturer": manufacturer, "status": KeyStatus.ACTIVE.value}
        return tuple([PublicKeyRef(key_id=d["_id"], pem=d["pem"]) async for d in self._documents.find(wanted)])

    async def set_active(self, app_id: str, key_id: str, *, active: bool) -> Document:
        """Activate or deactivate a key; packages that it has verified stay verified.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It is revoked or being deleted, or its manufacturer has too many.
        """
        if active:
            await self._require_room(await self.get(app_id, key_id))
        status = KeyStatus.ACTIVE if active else KeyStatus.INACTIVE
        usable = [KeyStatus.ACTIVE.value, KeyStatus.INACTIVE.value]
        await self._documents.update_one(
            {"_id": key_id, "app_id": app_id, "status": {"$in": usable}}, {"$set": {"status": status.value}}
        )
        key = await self.get(app_id, key_id)
        if (why := unusable(key)) is not None:
            raise key_unusable(why)
        return key

    async def _require_room(self, key: Document) -> None:
        """Check that one more key may be active; of several at the same moment all may pass."""
        others = {name: key[name] for name in ("app_id", "manufacturer")} | {"_id": {"$ne": key["_id"]}}
        active = others | {"status": KeyStatus.ACTIVE.value}
        if await self._documents.count_documents(active, limit=_MAX_ACTIVE) == _MAX_ACTIVE:
            detail = f"The manufacturer has {_MAX_ACTIVE} active keys; deactivate one first."
            raise ConflictError("too_many_keys", detail)

    async def revoke(self, app_id: str, key_id: str, why: str, at: datetime) -> Document:
        """Revoke a key under every manufacturer of the app that has it; repeating it does the rest once more.

        Raises:
            NotFoundError: There is none of that id.
        """
        key = await self.get(app_id, key_id)
        same = {"app_id": app_id, "fingerprint": key["fingerprint"]}
        await self._documents.update_many(
            same | {"status": {"$ne": KeyStatus.REVOKED.value}},
            {"$set": {"status": KeyStatus.REVOKED.value, "revoked_at": at, "revocation_reason": why}},
        )
        await self._documents.update_many(same, {"$set": {"relay_at": at}})
        _log.warning("public_key_revoked", app_id=app_id, key_id=key_id, fingerprint=key["fingerprint"])
        return await self.get(app_id, key_id)

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a key that has verified no package and is about to verify none; repeating it completes it.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It is revoked, or packages need it: they could not be revoked any more.
        """
        key = await self.get(app_id, identifier)
        if key["status"] == KeyStatus.REVOKED.value:
            raise key_unusable(ReasonCode.KEY_REVOKED)
        await self._require_unused(key)
        await self._close(key)
        closed = {"_id": identifier, "status": KeyStatus.DELETING.value}
        if not (await self._documents.delete_one(closed)).deleted_count:
            # Deleted by another request, or revoked, since.
            await self.get(app_id, identifier)
            raise key_unusable(ReasonCode.KEY_REVOKED)

    async def _close(self, key: Document) -> None:
        """Let no package be verified by a key any more, then look once more for those that were.

        A package that is verified after this look finds the key DELETING or gone.
        """
        open_ = {"_id": key["_id"], "status": {"$ne": KeyStatus.REVOKED.value}}
        closed = {"_id": key["_id"], "status": KeyStatus.DELETING.value}
        await self._documents.update_one(open_, {"$set": {"status": KeyStatus.DELETING.value}})
        try:
            await self._require_unused(key)
        except ConflictError:
            await self._documents.update_one(closed, {"$set": {"status": key["status"]}})
            raise

    async def _require_unused(self, key: Document) -> None:
        of_app = {"app_id": key["app_id"]}
        waiting = of_app | {"manufacturer": key["manufacturer"], "status": "VERIFYING"}
        for using in (of_app | {"key_id": key["_id"]}, waiting):
            if await self._database[PACKAGES].find_one(using, {"_id": 1}):
                detail = "The key has verified packages, or may be doing so; deactivate it, or delete them first."
                raise ConflictError("key_in_use", detail)
