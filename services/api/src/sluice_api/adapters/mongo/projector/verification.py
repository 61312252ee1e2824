"""Packages, their images and their keys, as the outcome of a verification changes them."""

from datetime import datetime

from sluice_api.adapters.mongo.collections import PACKAGES, PUBLIC_KEYS, Document
from sluice_api.adapters.mongo.packages import delete_file
from sluice_api.adapters.mongo.poison import content_errors_as_poison
from sluice_api.adapters.mongo.records import fields_of
from sluice_api.domain.models import KeyStatus, PackageStatus
from sluice_api.domain.packages import rejection
from sluice_common.messages.package_events import PackageRejected, PackageVerified
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket
from sluice_common.reasons import ReasonCode

_FOUND = ("image_id", "image_name", "image_size", "image_sha256", "key_id", "algorithm")


class MongoVerificationStore:
    """Packages, their images and the keys that verify them."""

    def __init__(self, database: Database) -> None:
        self._packages = database[PACKAGES]
        self._keys = database[PUBLIC_KEYS]
        self._images = bucket(database, IMAGE_BUCKET)

    async def accept(self, message: PackageVerified) -> None:
        """Make a package that is being verified a VERIFIED one."""
        found = {name: getattr(message, name) for name in _FOUND}
        await self._settle(message.package_id, PackageStatus.VERIFIED, message.occurred_at, found)

    async def reject(self, message: PackageRejected) -> None:
        """Make a package that is being verified a REJECTED one."""
        why = {"rejection": {"code": message.code, "message": message.message}}
        await self._settle(message.package_id, PackageStatus.REJECTED, message.occurred_at, why)

    async def reject_again(self, package_id: str, image_id: str) -> None:
        """Make a package that was verified with an image a REJECTED one, as its key is gone."""
        change = {"status": PackageStatus.REJECTED.value, "rejection": fields_of(rejection(ReasonCode.KEY_DELETED))}
        await self._packages.update_one(
            {"_id": package_id, "image_id": image_id}, {"$set": change, "$unset": dict.fromkeys(_FOUND, True)}
        )

    async def status_of_key(self, key_id: str) -> KeyStatus | None:
        """Return the status of the key that verified a package, None if it has been deleted."""
        document = await self._keys.find_one({"_id": key_id}, {"status": 1})
        return None if document is None else KeyStatus(document["status"])

    async def look_at_key_again(self, key_id: str, at: datetime) -> None:
        """Have the relay look for what uses a key, if it is revoked."""
        await self._keys.update_one({"_id": key_id, "status": KeyStatus.REVOKED.value}, {"$set": {"relay_at": at}})

    async def image_of(self, package_id: str) -> str | None:
        """Return the image of a package, None if it has none or has been deleted."""
        package = await self._packages.find_one({"_id": package_id}, {"image_id": 1})
        return None if package is None else package.get("image_id")

    async def delete_image(self, image_id: str) -> None:
        """Delete an image; it may be gone already."""
        await delete_file(self._images, image_id)

    async def _settle(self, package_id: str, status: PackageStatus, at: datetime, outcome: Document) -> None:
        change = outcome | {"status": status.value, "verified_at": at}
        with content_errors_as_poison():
            await self._packages.update_one(
                {"_id": package_id, "status": PackageStatus.VERIFYING.value}, {"$set": change}
            )
