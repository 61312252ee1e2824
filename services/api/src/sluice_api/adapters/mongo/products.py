"""Products."""

from collections.abc import Sequence

from sluice_api.adapters.mongo.collections import DEVICES, PACKAGES, PRODUCTS, Document
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_common.mongo import Database


class Products(TenantRepository):
    """The product models."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, PRODUCTS, "product")

    async def named(self, app_id: str, product_id: str) -> Document:
        """Return the product that a request's body names.

        Raises:
            InvalidError: The app has none of that id.
        """
        document = await self.find(app_id, product_id)
        if document is None:
            raise InvalidError("product_id", "no product of this app", "unknown_product")
        return document

    async def insert_all(self, documents: Sequence[Document]) -> list[Document]:
        """Insert product models, or find those that this very import has inserted before it was interrupted.

        Raises:
            ConflictError: There is a model of this manufacturer already; then none is inserted.
        """
        new = [d for d in documents if await self.find(d["app_id"], d["_id"]) is None]
        for document in new:
            same = {name: document[name] for name in ("app_id", "manufacturer", "model")}
            if await self._documents.find_one(same, {"_id": 1}):
                detail = f"There is a product {document['model']!r} of {document['manufacturer']!r}."
                raise ConflictError("duplicate", detail)
        for document in new:
            await self.insert(document, "Another request has just created one of these products.")
        return [await self.get(d["app_id"], d["_id"]) for d in documents]

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a product that nothing refers to.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: Devices or packages have it.
        """
        await self.get(app_id, identifier)
        for collection in (DEVICES, PACKAGES):
            if await self._database[collection].find_one({"app_id": app_id, "product_id": identifier}, {"_id": 1}):
                raise ConflictError("product_in_use", f"There are {collection} of this product.")
        await super().delete(app_id, identifier)
