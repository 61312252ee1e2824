"""The outbox as the relay sees it: documents with messages that wait to be published."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from sluice_api.application.relay.ports import OutboxStore, Publisher
from sluice_api.application.relay.records import OutboxDocument
from sluice_api.domain.outbox import record_of, why_undeliverable

_log = structlog.get_logger()
_LIMIT = 200


class Outbox:
    """Publishes what waits in the documents of a collection."""

    def __init__(self, store: OutboxStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    async def deliver_due(self, now: datetime) -> bool:
        """Publish what is due; return whether there was anything."""
        documents = await self._store.due(now, _LIMIT)
        if documents:
            await self.deliver(documents, done=True)
        return bool(documents)

    async def deliver(self, documents: Sequence[OutboxDocument], *, done: bool) -> None:
        """Publish the messages of documents, and remove them once Kafka has them all.

        A document with a message that Kafka can never have is marked `undeliverable` with all its messages: it must
        not keep the others back. One that got further messages meanwhile is left for the next look.

        Args:
            documents: As they were read.
            done: Whether the relay has nothing else to do for them.

        Raises:
            KafkaError: Kafka does not have them all; to be done again.
        """
        undeliverable = {document.id for document in documents if _is_undeliverable(document)}
        deliverable = [document for document in documents if document.id not in undeliverable]
        await self._publisher.publish_all(record_of(m) for document in deliverable for m in document.outbox)
        await self._store.clear(documents, undeliverable=undeliverable, done=done)


def _is_undeliverable(document: OutboxDocument) -> bool:
    for why in filter(None, map(why_undeliverable, document.outbox)):
        _log.error("outbox_undeliverable", id=document.id, detail=why)
        return True
    return False
