"""Messages that wait in the same document as the change that they report, until the relay has published them."""

import re

import msgspec

from sluice_common.messages.base import Message, to_json
from sluice_common.topics import ALL_TOPICS, MAX_MESSAGE_BYTES, Topic

_TOPICS = {topic.name: topic for topic in ALL_TOPICS}
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class OutboxMessage(msgspec.Struct, frozen=True):
    """A message as it waits in a document, its fields in the order in which they are stored.

    Attributes:
        topic: Name of the topic.
        key: Record key.
        value: The message, JSON.
    """

    topic: str
    key: str
    value: str


def entry(topic: Topic, key: str, message: Message) -> OutboxMessage:
    """Return a message as it waits in a document."""
    return OutboxMessage(topic.name, key, to_json(message).decode())


def record_of(waiting: OutboxMessage) -> tuple[Topic, str, msgspec.Raw]:
    """Return topic, key and value of a waiting message."""
    return _TOPICS[waiting.topic], waiting.key, msgspec.Raw(waiting.value.encode())


def why_undeliverable(waiting: OutboxMessage) -> str | None:
    """Return why Kafka can never have a waiting message, None if it can."""
    if waiting.topic not in _TOPICS:
        return f"there is no topic {waiting.topic}"
    size = len(waiting.value.encode())
    return f"{size} bytes for {waiting.topic}" if size > MAX_MESSAGE_BYTES else None


def valid_traceparent(header: str | None) -> str | None:
    """Return a W3C Trace Context header if it is one."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None
