"""Public keys of manufacturers, and what happens when one is revoked.

Revoking changes the key at once, so that no new task can use a package of it. The rest is the relay's, which finds the
key by `relay_at` and may be interrupted at any point: packages become REVOKED and tell the gateways, tasks under way
stop. Who makes something of a package while its key is being revoked looks at the key again afterwards (`sweep_again`).
"""

from datetime import datetime
from typing import Any

import structlog

from sluice_api.adapters.database import PACKAGES, PRODUCTS, PUBLIC_KEYS, Document
from sluice_api.adapters.owned import Owned
from sluice_api.adapters.tasks import Tasks
from sluice_api.domain.outbox import also_send, entry
from sluice_api.domain.problems import conflict, invalid
from sluice_api.domain.public_keys import KeyStatus, key_revoked
from sluice_common.messages.package_events import PackageRevoked, PublicKeyRef
from sluice_common.mongo import Database
from sluice_common.reasons import ReasonCode, reason_text
from sluice_common.topics import PACKAGE_EVENTS

_log = structlog.get_logger()


class PublicKeys(Owned):
    """The public keys of manufacturers."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, PUBLIC_KEYS, "public key")

    async def create(self, document: dict[str, Any]) -> Document:
        """Store a key.

        Raises:
            Problem: No product has its manufacturer (R051), the manufacturer has it already, or it is revoked.
        """
        wanted = {"app_id": document["app_id"], "manufacturer": document["manufacturer"]}
        if await self._database[PRODUCTS].find_one(wanted, {"_id": 1}) is None:
            raise invalid("manufacturer", "no product of this app has this manufacturer", "unknown_manufacturer")
        same = {"app_id": document["app_id"], "fingerprint": document["fingerprint"]}
        if await self._documents.find_one(same | {"status": KeyStatus.REVOKED.value}, {"_id": 1}):
            raise key_revoked()
        return await self.insert(document, "The manufacturer has this key already.")

    async def of_manufacturer(self, app_id: str, manufacturer: str) -> tuple[PublicKeyRef, ...]:
        """Return the active keys that may have signed a package of a manufacturer (R053)."""
        wanted = {"app_id": app_id, "manufacturer": manufacturer, "status": KeyStatus.ACTIVE.value}
        return tuple([PublicKeyRef(key_id=d["_id"], pem=d["pem"]) async for d in self._documents.find(wanted)])

    async def set_active(self, app_id: str, key_id: str, *, active: bool) -> Document:
        """Activate or deactivate a key; packages that it has verified stay verified.

        Raises:
            Problem: There is none of that id, or it is revoked.
        """
        status = KeyStatus.ACTIVE if active else KeyStatus.INACTIVE
        usable = [KeyStatus.ACTIVE.value, KeyStatus.INACTIVE.value]
        await self._documents.update_one(
            {"_id": key_id, "app_id": app_id, "status": {"$in": usable}}, {"$set": {"status": status.value}}
        )
        key = await self.get(app_id, key_id)
        if key["status"] == KeyStatus.REVOKED.value:
            raise key_revoked()
        return key

    async def revoke(self, app_id: str, key_id: str, why: str, at: datetime) -> Document:
        """Revoke a key under every manufacturer of the app that has it; repeating it does the rest once more.

        Raises:
            Problem: There is none of that id.
        """
        key = await self.get(app_id, key_id)
        same = {"app_id": app_id, "fingerprint": key["fingerprint"]}
        usable = {"$in": [KeyStatus.ACTIVE.value, KeyStatus.INACTIVE.value]}
        await self._documents.update_many(
            same | {"status": usable},
            {"$set": {"status": KeyStatus.REVOKED.value, "revoked_at": at, "revocation_reason": why}},
        )
        await self._documents.update_many(same, {"$set": {"relay_at": at}})
        _log.warning("public_key_revoked", app_id=app_id, key_id=key_id, fingerprint=key["fingerprint"])
        return await self.get(app_id, key_id)

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a key that has verified no package.

        Raises:
            Problem: There is none of that id, or packages name it: they could not be revoked any more.
        """
        await self.get(app_id, identifier)
        if await self._database[PACKAGES].find_one({"app_id": app_id, "key_id": identifier}, {"_id": 1}):
            detail = "The key has verified packages; deactivate or revoke it, or delete the packages first."
            raise conflict("key_in_use", detail)
        await super().delete(app_id, identifier)


async def sweep_again(database: Database, key_id: str | None, at: datetime) -> bool:
    """Have the relay look for what uses a key if it is revoked; tell whether it is."""
    revoked = {"_id": key_id, "status": KeyStatus.REVOKED.value}
    return (await database[PUBLIC_KEYS].update_one(revoked, {"$set": {"relay_at": at}})).matched_count == 1


class Revocation:
    """What the relay does for revoked keys; every step may come twice."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._packages = database[PACKAGES]
        self._keys = database[PUBLIC_KEYS]
        self._tasks = tasks

    async def sweep(self, key: Document, at: datetime) -> None:
        """Revoke the packages that a key has verified and stop their tasks."""
        async for package in self._packages.find({"app_id": key["app_id"], "key_id": key["_id"]}):
            if package["status"] == "VERIFIED":
                await self._revoke(package, at)
            await self._tasks.stop_all_of(package, ReasonCode.KEY_REVOKED, at)
        # Unless something asked for another look meanwhile.
        await self._keys.update_one({"_id": key["_id"], "relay_at": key["relay_at"]}, {"$unset": {"relay_at": True}})

    async def _revoke(self, package: Document, at: datetime) -> None:
        message = PackageRevoked(
            app_id=package["app_id"],
            occurred_at=at,
            package_id=package["_id"],
            image_id=package["image_id"],
            key_id=package["key_id"],
        )
        change = also_send(at, entry(PACKAGE_EVENTS, package["_id"], message))
        why = {"code": ReasonCode.KEY_REVOKED.value, "message": reason_text(ReasonCode.KEY_REVOKED, {})}
        change["$set"] |= {"status": "REVOKED", "rejection": why, "revoked_at": at}
        await self._packages.update_one({"_id": package["_id"], "status": "VERIFIED"}, change)
