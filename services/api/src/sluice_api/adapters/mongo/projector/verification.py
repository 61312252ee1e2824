"""Packages, their images and their keys, as the outcome of a verification changes them."""

from datetime import datetime

from sluice_api.adapters.mongo.collections import PACKAGES, PRODUCTS, PUBLIC_KEYS, Document
from sluice_api.adapters.mongo.packages import CODEC as PACKAGE_CODEC
from sluice_api.adapters.mongo.packages import delete_image
from sluice_api.adapters.mongo.poison import content_errors_as_poison
from sluice_api.adapters.mongo.products import CODEC as PRODUCT_CODEC
from sluice_api.adapters.mongo.records import fields_of
from sluice_api.domain.models import MANIFEST_WITH_VERSION, KeyStatus, Package, PackageStatus, Product, Rejection
from sluice_api.domain.packages import rejection
from sluice_common.messages.package_events import PackageVerified
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket
from sluice_common.reasons import ReasonCode

_FOUND = ("image_id", "image_name", "image_size", "image_sha256", "key_id", "algorithm")


class MongoVerificationStore:
    """Packages, their images and the keys that verify them."""

    def __init__(self, database: Database) -> None:
        self._packages = database[PACKAGES]
        self._products = database[PRODUCTS]
        self._keys = database[PUBLIC_KEYS]
        self._images = bucket(database, IMAGE_BUCKET)

    async def package(self, package_id: str) -> Package | None:
        """Return a package, None if it has been deleted."""
        found = await self._packages.find_one({"_id": package_id})
        return None if found is None else PACKAGE_CODEC.record(found)

    async def product(self, product_id: str) -> Product | None:
        """Return a product, None if it has been deleted."""
        found = await self._products.find_one({"_id": product_id})
        return None if found is None else PRODUCT_CODEC.record(found)

    async def accept(self, message: PackageVerified) -> None:
        """Make a package that is being verified a VERIFIED one, and what is signed of it what it is."""
        found: Document = {name: getattr(message, name) for name in _FOUND}
        if (release := message.release) is None:
            found["manifest_version"] = 1
        else:
            found |= {"manifest_version": MANIFEST_WITH_VERSION, "version": release.version}
            found |= {"models": list(release.models), "sequence": release.sequence}
        await self._settle(message.package_id, PackageStatus.VERIFIED, message.occurred_at, found)

    async def reject(self, package_id: str, why: Rejection, at: datetime) -> None:
        """Make a package that is being verified a REJECTED one."""
        await self._settle(package_id, PackageStatus.REJECTED, at, {"rejection": fields_of(why)})

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
        await delete_image(self._images, image_id)

    async def _settle(self, package_id: str, status: PackageStatus, at: datetime, outcome: Document) -> None:
        change = outcome | {"status": status.value, "verified_at": at}
        with content_errors_as_poison():
            await self._packages.update_one(
                {"_id": package_id, "status": PackageStatus.VERIFYING.value}, {"$set": change}
            )
