"""Products."""

from sluice_api.adapters.mongo.collections import DEVICES, PACKAGES, PRODUCTS
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.models import Product, ProductChange, ProductFilter
from sluice_common.mongo import Database

CODEC = RecordCodec(Product, "product_id")


class Products(TenantRepository[Product, ProductFilter]):
    """The product models."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, PRODUCTS, CODEC, "product")

    async def add(self, product: Product) -> None:
        """Store a product model.

        Raises:
            ConflictError: The app has one of this manufacturer and model.
        """
        await self._insert(CODEC.document(product), "There is a product of this manufacturer and model.")

    async def change(self, app_id: str, product_id: str, change: ProductChange) -> Product:
        """Change a product model and return it as it is then.

        Raises:
            NotFoundError: The app has none of that id.
        """
        return await self._change(app_id, product_id, change)

    async def has_model(self, app_id: str, manufacturer: str, model: str) -> bool:
        """Return whether an app has a product of this manufacturer and model."""
        return await self._exists(PRODUCTS, {"app_id": app_id, "manufacturer": manufacturer, "model": model})

    async def has_manufacturer(self, app_id: str, manufacturer: str) -> bool:
        """Return whether an app has a product of this manufacturer."""
        return await self._exists(PRODUCTS, {"app_id": app_id, "manufacturer": manufacturer})

    async def using_kind(self, app_id: str, product_id: str) -> str | None:
        """Return the name of a collection that refers to a product, None if none does."""
        for collection in (DEVICES, PACKAGES):
            if await self._exists(collection, {"app_id": app_id, "product_id": product_id}):
                return collection
        return None
