"""Messages that wait in the same document as the change that they tell of.

A document with messages has `outbox` (oldest first) and `relay_at`, the time from which the relay looks at it.
"""

import re
from datetime import datetime
from typing import Any

from sluice_common.messages.base import Message, to_json
from sluice_common.topics import ALL_TOPICS, Topic

_TOPICS = {topic.name: topic for topic in ALL_TOPICS}
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def entry(topic: Topic, key: str, message: Message) -> dict[str, str]:
    """Return a message as it waits in a document."""
    return {"topic": topic.name, "key": key, "value": to_json(message).decode()}


def topic_of(waiting: dict[str, str]) -> Topic:
    """Return the topic of a waiting message."""
    return _TOPICS[waiting["topic"]]


def with_messages(document: dict[str, Any], at: datetime, *waiting: dict[str, str]) -> dict[str, Any]:
    """Return a new document together with its messages, due at a time."""
    return document | {"outbox": list(waiting), "relay_at": at}


def also_send(at: datetime, *waiting: dict[str, str]) -> dict[str, Any]:
    """Return the update operators that put further messages into a document."""
    return {"$push": {"outbox": {"$each": list(waiting)}}, "$set": {"relay_at": at}}


def valid_traceparent(header: str | None) -> str | None:
    """Return a W3C Trace Context header if it is one."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None
