from datetime import UTC, datetime

from sluice_api.adapters.mongo.outbox import also_send, messages_of, with_messages
from sluice_api.domain.outbox import OutboxMessage

AT = datetime(2026, 11, 22, tzinfo=UTC)
MESSAGE = OutboxMessage("task-events", "t", "{}")
STORED = {"topic": "task-events", "key": "t", "value": "{}"}


def test_a_document_carries_its_messages_and_when_they_are_due() -> None:
    document = with_messages({"_id": "t"}, AT, MESSAGE)
    assert document == {"_id": "t", "outbox": [STORED], "relay_at": AT}
    assert messages_of(document) == (MESSAGE,)


def test_further_messages_stand_behind_those_that_wait() -> None:
    assert also_send(AT, MESSAGE) == {"$push": {"outbox": {"$each": [STORED]}}, "$set": {"relay_at": AT}}


def test_a_document_without_an_outbox_has_no_messages() -> None:
    assert messages_of({"_id": "t"}) == ()


def test_messages_are_stored_with_their_fields_in_one_order_since_the_database_compares_it() -> None:
    (stored,) = with_messages({}, AT, MESSAGE)["outbox"]
    assert list(stored) == ["topic", "key", "value"]
