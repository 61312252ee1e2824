"""What a task depends on when it is about to begin."""

from sluice_api.adapters.mongo.collections import PACKAGES, PRODUCTS, PUBLIC_KEYS, Document
from sluice_common.mongo import Database


class MongoStartCheckStore:
    """Packages, public keys and products."""

    def __init__(self, database: Database) -> None:
        self._packages = database[PACKAGES]
        self._keys = database[PUBLIC_KEYS]
        self._products = database[PRODUCTS]

    async def package(self, package_id: str) -> Document | None:
        """Return a package, None if it has been deleted."""
        return await self._packages.find_one({"_id": package_id})

    async def key(self, key_id: str | None) -> Document | None:
        """Return a public key, None if it has been deleted."""
        return await self._keys.find_one({"_id": key_id}, {"status": 1})

    async def product(self, product_id: str) -> Document | None:
        """Return a product, None if it has been deleted."""
        return await self._products.find_one({"_id": product_id}, {"anti_rollback": 1})
