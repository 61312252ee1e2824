"""Revoked keys and their packages, as the relay reads and writes them."""

from collections.abc import AsyncIterator
from datetime import datetime

from sluice_api.adapters.mongo.collections import PACKAGES, PUBLIC_KEYS
from sluice_api.adapters.mongo.outbox import also_send
from sluice_api.adapters.mongo.records import fields_of
from sluice_api.application.relay.revocation import PackageOfKey, RevokedKey
from sluice_api.domain.models import PackageStatus
from sluice_api.domain.outbox import OutboxMessage
from sluice_api.domain.packages import rejection
from sluice_common.mongo import Database
from sluice_common.reasons import ReasonCode

_LIMIT = 200


class MongoRevocationStore:
    """Revoked keys and the packages that they have verified."""

    def __init__(self, database: Database) -> None:
        self._packages = database[PACKAGES]
        self._keys = database[PUBLIC_KEYS]

    async def due(self, now: datetime) -> list[RevokedKey]:
        """Return revoked keys that the relay has to look at now."""
        found = await self._keys.find({"relay_at": {"$lte": now}}).limit(_LIMIT).to_list(None)
        return [RevokedKey(key_id=d["_id"], app_id=d["app_id"], relay_at=d["relay_at"]) for d in found]

    async def packages(self, key: RevokedKey) -> AsyncIterator[PackageOfKey]:
        """Yield the packages that a key has verified."""
        async for found in self._packages.find({"app_id": key.app_id, "key_id": key.key_id}):
            usable = found["status"] == PackageStatus.VERIFIED.value
            yield PackageOfKey(package_id=found["_id"], image_id=found["image_id"], usable=usable)

    async def revoke(self, package_id: str, at: datetime, message: OutboxMessage) -> None:
        """Make a package that is VERIFIED a REVOKED one, together with its message."""
        change = also_send(at, message)
        why = fields_of(rejection(ReasonCode.KEY_REVOKED))
        change["$set"] |= {"status": PackageStatus.REVOKED.value, "rejection": why, "revoked_at": at}
        await self._packages.update_one({"_id": package_id, "status": PackageStatus.VERIFIED.value}, change)

    async def finish(self, key: RevokedKey) -> None:
        """Note that a key needs no further look, unless another was asked for meanwhile."""
        await self._keys.update_one({"_id": key.key_id, "relay_at": key.relay_at}, {"$unset": {"relay_at": True}})
