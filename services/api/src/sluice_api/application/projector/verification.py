"""What the signing service found of packages.

A key may be revoked or deleted while it verifies a package. So the outcome is stored first and the key looked at then:
who ends the key later finds the package by it.
"""

from typing import Any

from sluice_api.adapters.mongo.collections import PACKAGES, PUBLIC_KEYS, Document
from sluice_api.adapters.mongo.packages import delete_file
from sluice_api.adapters.mongo.public_keys import sweep_again
from sluice_api.domain.packages import rejection
from sluice_api.domain.public_keys import unusable
from sluice_common.messages.package_events import PackageRejected, PackageVerified
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket
from sluice_common.reasons import ReasonCode

_FOUND = ("image_id", "image_name", "image_size", "image_sha256", "key_id", "algorithm")


class Verification:
    """Takes the outcome of a verification over into the package."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._packages = database[PACKAGES]
        self._keys = database[PUBLIC_KEYS]
        self._images = bucket(database, IMAGE_BUCKET)

    async def take(self, message: Any) -> None:
        """Take one message; those that are no outcome are ignored, and so are repetitions."""
        if isinstance(message, PackageVerified):
            await self._verified(message)
        elif isinstance(message, PackageRejected):
            why = {"code": message.code, "message": message.message}
            outcome = {"status": "REJECTED", "rejection": why, "verified_at": message.occurred_at}
            await self._settle(message.package_id, outcome)

    async def _verified(self, message: PackageVerified) -> None:
        outcome = {name: getattr(message, name) for name in _FOUND}
        await self._settle(message.package_id, outcome | {"status": "VERIFIED", "verified_at": message.occurred_at})
        # The rest is done again when the message comes again: whoever settled it may have ended before.
        key = await self._keys.find_one({"_id": message.key_id}, {"status": 1})
        if unusable(key) is ReasonCode.KEY_DELETED:
            await self._take_back(message)
        else:
            await sweep_again(self._database, message.key_id, message.occurred_at)
        package = await self._packages.find_one({"_id": message.package_id}, {"image_id": 1})
        if package is None or package.get("image_id") != message.image_id:
            # Deleted meanwhile, verified twice, or taken back: nobody will ask for this image.
            await delete_file(self._images, message.image_id)

    async def _take_back(self, message: PackageVerified) -> None:
        """Reject a package whose key is gone: nothing could ever revoke it."""
        change = {"status": "REJECTED", "rejection": rejection(ReasonCode.KEY_DELETED)}
        await self._packages.update_one(
            {"_id": message.package_id, "image_id": message.image_id},
            {"$set": change, "$unset": dict.fromkeys(_FOUND, True)},
        )

    async def _settle(self, package_id: str, outcome: Document) -> None:
        await self._packages.update_one({"_id": package_id, "status": "VERIFYING"}, {"$set": outcome})
