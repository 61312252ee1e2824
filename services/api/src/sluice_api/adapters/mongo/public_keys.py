"""Public keys of manufacturers.

Who makes something of a package while its key is being revoked has the relay look at the key once more afterwards.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from sluice_api.adapters.mongo.collections import PACKAGES, PUBLIC_KEYS
from sluice_api.adapters.mongo.outbox import no_hint
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.models import KeyStatus, PackageStatus, PublicKey, PublicKeyFilter
from sluice_common.messages.package_events import PublicKeyRef
from sluice_common.mongo import Database

_CODEC = RecordCodec(PublicKey, "key_id")


class PublicKeys(TenantRepository[PublicKey, PublicKeyFilter]):
    """The public keys of manufacturers.

    Args:
        database: The database.
        hint: Called when the relay has a key to look at.
    """

    def __init__(self, database: Database, hint: Callable[[], None] = no_hint) -> None:
        super().__init__(database, PUBLIC_KEYS, _CODEC, "public key")
        self._hint = hint

    async def add(self, key: PublicKey) -> None:
        """Store a key.

        Raises:
            ConflictError: The manufacturer has it already.
        """
        await self._insert(_CODEC.document(key), "The manufacturer has this key already.")

    async def active_of(self, app_id: str, manufacturer: str) -> tuple[PublicKeyRef, ...]:
        """Return the active keys that may have signed a package of a manufacturer (R053)."""
        wanted = {"app_id": app_id, "manufacturer": manufacturer, "status": KeyStatus.ACTIVE.value}
        return tuple([PublicKeyRef(key_id=d["_id"], pem=d["pem"]) async for d in self._documents.find(wanted)])

    async def status_of(self, key_id: str | None) -> KeyStatus | None:
        """Return the status of a key, None if it is not there."""
        document = await self._documents.find_one({"_id": key_id}, {"status": 1})
        return None if document is None else KeyStatus(document["status"])

    async def is_revoked(self, app_id: str, fingerprint: str) -> bool:
        """Return whether an app has revoked a key, under any manufacturer."""
        revoked = {"app_id": app_id, "fingerprint": fingerprint, "status": KeyStatus.REVOKED.value}
        return await self._exists(PUBLIC_KEYS, revoked)

    async def has_other_active(self, key: PublicKey, count: int) -> bool:
        """Return whether a key's manufacturer has so many active keys beside it."""
        others = {"app_id": key.app_id, "manufacturer": key.manufacturer, "_id": {"$ne": key.key_id}}
        active = others | {"status": KeyStatus.ACTIVE.value}
        return await self._documents.count_documents(active, limit=count) == count

    async def set_status(self, app_id: str, key_id: str, before: Collection[KeyStatus], after: KeyStatus) -> None:
        """Change the status of a key unless it is none of those before."""
        wanted = {"_id": key_id, "app_id": app_id, "status": {"$in": [status.value for status in before]}}
        await self._documents.update_one(wanted, {"$set": {"status": after.value}})

    async def revoke(self, key: PublicKey, why: str, at: datetime) -> None:
        """Revoke a key under every manufacturer of its app, and have the relay end its use."""
        same = {"app_id": key.app_id, "fingerprint": key.fingerprint}
        await self._documents.update_many(
            same | {"status": {"$ne": KeyStatus.REVOKED.value}},
            {"$set": {"status": KeyStatus.REVOKED.value, "revoked_at": at, "revocation_reason": why}},
        )
        await self._documents.update_many(same, {"$set": {"relay_at": at}})
        self._hint()

    async def is_in_use(self, key: PublicKey) -> bool:
        """Return whether a key has verified a package, or one of its manufacturer is being verified."""
        waiting = {"manufacturer": key.manufacturer, "status": PackageStatus.VERIFYING.value}
        for using in ({"key_id": key.key_id}, waiting):
            if await self._exists(PACKAGES, {"app_id": key.app_id, **using}):
                return True
        return False

    async def delete_closed(self, key_id: str) -> bool:
        """Delete a key whose status is DELETING; return whether there was one."""
        closed = {"_id": key_id, "status": KeyStatus.DELETING.value}
        return (await self._documents.delete_one(closed)).deleted_count == 1
