"""Key rotation of secrets at rest: everything that is sealed, sealed anew with the first key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from pymongo import UpdateOne

from sluice_api.adapters.mongo.collections import DELIVERIES, DEVICES, IDEMPOTENCY, SUBSCRIPTIONS, Document
from sluice_api.domain.device_secrets import MQTT_SECRET, PSK
from sluice_common.mongo import Database
from sluice_common.sealing import CannotOpenError, Sealer

SEALED = (
    (DEVICES, MQTT_SECRET),
    (DEVICES, PSK),
    (SUBSCRIPTIONS, "secret"),
    (DELIVERIES, "secret"),
    (IDEMPOTENCY, "sealed"),
)
"""Every collection and field that holds sealed secrets."""
_NAMED = 10
"""Most documents that a report names."""


@dataclass
class Report:
    """What became of one field of a collection so far.

    Attributes:
        place: `collection.field`.
        resealed: Secrets that have been sealed anew.
        current: Secrets that the first key had sealed already.
        unreadable: Secrets that no key opens.
        named: Ids of the first of those.
    """

    place: str
    resealed: int = 0
    current: int = 0
    unreadable: int = 0
    named: tuple[str, ...] = ()


class Resealing:
    """Seals page by page; interrupted or repeated, it goes on with what the first key has not sealed.

    Args:
        database: The database.
        sealer: With the new key first and the old ones after it.
        page: Documents of a page.
    """

    def __init__(self, database: Database, sealer: Sealer, page: int) -> None:
        self._database = database
        self._sealer = sealer
        self._page = page

    async def run(self) -> AsyncIterator[Report]:
        """Yield the state of each place after every page, and at its end.

        Raises:
            NoSealingKeyError: There is no key.
        """
        for collection, field in SEALED:
            report = Report(f"{collection}.{field}")
            # Greater than the empty text is every text, and nothing else: absent and null are left out.
            found = self._database[collection].find({field: {"$gt": ""}}, {field: 1}).batch_size(self._page)
            while documents := await found.to_list(self._page):
                await self._reseal(collection, field, documents, report)
                yield report
            yield report

    async def _reseal(self, collection: str, field: str, documents: list[Document], report: Report) -> None:
        updates = []
        for document in documents:
            sealed = document[field]
            if self._sealer.is_current(sealed):
                report.current += 1
                continue
            try:
                anew = self._sealer.seal(self._sealer.open(sealed))
            except CannotOpenError:
                report.unreadable += 1
                report.named = (*report.named, str(document["_id"]))[:_NAMED]
                continue
            # Unless it was renewed meanwhile.
            updates.append(UpdateOne({"_id": document["_id"], field: sealed}, {"$set": {field: anew}}))
        if updates:
            report.resealed += (await self._database[collection].bulk_write(updates, ordered=False)).modified_count
