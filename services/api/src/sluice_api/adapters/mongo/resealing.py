"""Where secrets lie sealed."""

from collections.abc import AsyncGenerator, Sequence

from pymongo import UpdateOne

from sluice_api.adapters.mongo.collections import DELIVERIES, DEVICES, IDEMPOTENCY, SUBSCRIPTIONS, Document
from sluice_api.adapters.mongo.pages import pages
from sluice_api.application.resealing import ResealedSecret, SealedSecret
from sluice_common.mongo import Database

_SEALED = (
    (DEVICES, "mqtt_secret"),
    (DEVICES, "psk"),
    (SUBSCRIPTIONS, "secret"),
    (SUBSCRIPTIONS, "previous_secret"),
    (DELIVERIES, "secret"),
    (DELIVERIES, "previous_secret"),
    (IDEMPOTENCY, "sealed"),
)
"""Every collection and field that holds sealed secrets."""


class MongoSecretStore:
    """The secrets of one field of a collection."""

    def __init__(self, database: Database, collection: str, field: str) -> None:
        self._documents = database[collection]
        self._field = field
        self.place = f"{collection}.{field}"

    def pages(self, page: int) -> AsyncGenerator[list[SealedSecret], None]:
        """Yield all secrets, page by page."""
        # Greater than the empty text is every text, and nothing else: absent and null are left out.
        return pages(self._documents.find({self._field: {"$gt": ""}}, {self._field: 1}), page, self._secret)

    async def replace(self, secrets: Sequence[ResealedSecret]) -> int:
        """Replace secrets, but for those that were renewed meanwhile; return how many were replaced."""
        updates = [
            UpdateOne({"_id": s.before.document_id, self._field: s.before.sealed}, {"$set": {self._field: s.sealed}})
            for s in secrets
        ]
        return (await self._documents.bulk_write(updates, ordered=False)).modified_count

    def _secret(self, document: Document) -> SealedSecret:
        return SealedSecret(document["_id"], document[self._field])


def secret_stores(database: Database) -> list[MongoSecretStore]:
    """Return every place that holds sealed secrets."""
    return [MongoSecretStore(database, collection, field) for collection, field in _SEALED]
