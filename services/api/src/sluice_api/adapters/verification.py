"""What the signing service found of packages."""

from typing import Any

from sluice_api.adapters.database import PACKAGES, Document
from sluice_api.adapters.packages import delete_file
from sluice_api.adapters.public_keys import sweep_again
from sluice_common.messages.package_events import PackageRejected, PackageVerified
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket


class Verification:
    """Takes the outcome of a verification over into the package."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._packages = database[PACKAGES]
        self._images = bucket(database, IMAGE_BUCKET)

    async def take(self, message: Any) -> None:
        """Take one message; those that are no outcome are ignored, and so are repetitions."""
        if isinstance(message, PackageVerified):
            await self._verified(message)
        elif isinstance(message, PackageRejected):
            rejection = {"code": message.code, "message": message.message}
            outcome = {"status": "REJECTED", "rejection": rejection, "verified_at": message.occurred_at}
            await self._settle(message.package_id, outcome)

    async def _verified(self, message: PackageVerified) -> None:
        outcome = {
            "status": "VERIFIED",
            "image_id": message.image_id,
            "image_name": message.image_name,
            "image_size": message.image_size,
            "image_sha256": message.image_sha256,
            "key_id": message.key_id,
            "algorithm": message.algorithm,
            "verified_at": message.occurred_at,
        }
        if await self._settle(message.package_id, outcome):
            # Its key may have been revoked while it was being verified.
            await sweep_again(self._database, message.key_id, message.occurred_at)
            return
        package = await self._packages.find_one({"_id": message.package_id}, {"image_id": 1})
        if package is None or package.get("image_id") != message.image_id:
            # Deleted meanwhile, or verified twice: nobody will ask for this image.
            await delete_file(self._images, message.image_id)

    async def _settle(self, package_id: str, outcome: Document) -> bool:
        waiting = {"_id": package_id, "status": "VERIFYING"}
        return (await self._packages.update_one(waiting, {"$set": outcome})).matched_count == 1
