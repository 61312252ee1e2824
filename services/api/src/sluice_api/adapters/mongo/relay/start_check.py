"""What a task depends on when it is about to begin."""

from sluice_api.adapters.mongo.collections import PACKAGES, PRODUCTS, PUBLIC_KEYS, TASKS
from sluice_api.adapters.mongo.packages import CODEC as PACKAGE_CODEC
from sluice_api.adapters.mongo.products import CODEC as PRODUCT_CODEC
from sluice_api.domain.models import KeyStatus, Package, Product
from sluice_common.mongo import Database


class MongoStartCheckStore:
    """Packages, public keys, products and tasks."""

    def __init__(self, database: Database) -> None:
        self._packages = database[PACKAGES]
        self._keys = database[PUBLIC_KEYS]
        self._products = database[PRODUCTS]
        self._tasks = database[TASKS]

    async def package(self, package_id: str) -> Package | None:
        """Return a package, None if it has been deleted."""
        document = await self._packages.find_one({"_id": package_id})
        return None if document is None else PACKAGE_CODEC.record(document)

    async def key_status(self, key_id: str | None) -> KeyStatus | None:
        """Return the status of a public key, None if it has been deleted."""
        document = await self._keys.find_one({"_id": key_id}, {"status": 1})
        return None if document is None else KeyStatus(document["status"])

    async def has_task(self, task_id: str) -> bool:
        """Return whether a task is there and has not been deleted."""
        found = await self._tasks.find_one({"_id": task_id}, {"deleted_at": 1})
        return found is not None and "deleted_at" not in found

    async def product(self, product_id: str) -> Product | None:
        """Return a product, None if it has been deleted."""
        document = await self._products.find_one({"_id": product_id})
        return None if document is None else PRODUCT_CODEC.record(document)
