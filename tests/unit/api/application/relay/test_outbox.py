from collections.abc import Collection, Sequence
from datetime import datetime

import pytest
from tests.unit.api.application.relay.fakes import AT, FakeKafka

from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.records import OutboxDocument
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.topics import MAX_MESSAGE_BYTES


def document(identifier: str, value: str = "{}") -> OutboxDocument:
    return OutboxDocument(id=identifier, outbox=(OutboxMessage("task-events", identifier, value),))


class FakeStore:
    """Documents whose messages wait."""

    def __init__(self, *documents: OutboxDocument) -> None:
        self.documents = {found.id: found for found in documents}
        self.undeliverable: set[str] = set()

    async def due(self, now: datetime, limit: int) -> Sequence[OutboxDocument]:  # noqa: ARG002 - a port
        return list(self.documents.values())[:limit]

    async def clear(
        self,
        documents: Sequence[OutboxDocument],
        *,
        undeliverable: Collection[str],
        done: bool,
    ) -> None:
        assert done
        self.undeliverable |= set(undeliverable)
        for sent in documents:
            del self.documents[sent.id]


async def test_messages_are_removed_once_kafka_has_them() -> None:
    store, kafka = FakeStore(document("a"), document("b")), FakeKafka([])
    outbox = Outbox(store, kafka)
    assert await outbox.deliver_due(AT)
    assert [key for _, key, _ in kafka.published] == ["a", "b"]
    assert not await outbox.deliver_due(AT)


async def test_messages_stay_when_kafka_fails() -> None:
    store, kafka = FakeStore(document("a")), FakeKafka([])
    kafka.failure = ConnectionError()
    with pytest.raises(ConnectionError):
        await Outbox(store, kafka).deliver_due(AT)
    assert set(store.documents) == {"a"}


async def test_a_document_whose_message_is_too_large_keeps_no_other_back() -> None:
    large = document("b", "x" * (MAX_MESSAGE_BYTES + 1))
    store, kafka = FakeStore(document("a"), large, document("c")), FakeKafka([])
    await Outbox(store, kafka).deliver_due(AT)
    assert [key for _, key, _ in kafka.published] == ["a", "c"]
    assert (store.documents, store.undeliverable) == ({}, {"b"})
