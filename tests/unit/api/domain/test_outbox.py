import json
from datetime import UTC, datetime

import pytest

from sluice_api.domain.outbox import OutboxMessage, entry, record_of, valid_traceparent, why_undeliverable
from sluice_common.messages.base import to_json
from sluice_common.messages.task_events import TaskStopRequested
from sluice_common.topics import MAX_MESSAGE_BYTES, TASK_EVENTS

AT = datetime(2026, 11, 22, tzinfo=UTC)
STOP = TaskStopRequested(app_id="a", occurred_at=AT, task_id="t")


def test_a_waiting_message_is_published_as_it_was_written() -> None:
    topic, key, value = record_of(entry(TASK_EVENTS, "t", STOP))
    assert (topic, key) == (TASK_EVENTS, "t")
    assert TASK_EVENTS.decoder is not None
    assert TASK_EVENTS.decoder.decode(to_json(value)) == STOP
    assert json.loads(to_json(value))["type"] == "task_stop_requested"


@pytest.mark.parametrize(
    ("topic", "size", "deliverable"),
    [
        (TASK_EVENTS.name, MAX_MESSAGE_BYTES, True),
        (TASK_EVENTS.name, MAX_MESSAGE_BYTES + 1, False),
        ("topic-of-a-later-version", 2, False),
    ],
)
def test_a_message_is_undeliverable_if_it_is_too_large_or_has_no_topic(
    topic: str, size: int, *, deliverable: bool
) -> None:
    assert (why_undeliverable(OutboxMessage(topic, "k", "x" * size)) is None) is deliverable


def test_the_size_of_a_message_is_that_of_its_bytes() -> None:
    assert why_undeliverable(OutboxMessage(TASK_EVENTS.name, "k", "é" * (MAX_MESSAGE_BYTES // 2 + 1))) is not None


@pytest.mark.parametrize("header", [None, "", "x", "00-" + "g" * 32 + "-" + "0" * 16 + "-01", "\n"])
def test_a_trace_context_that_is_none_is_dropped(header: str | None) -> None:
    assert valid_traceparent(header) is None


def test_a_trace_context_is_passed_on() -> None:
    header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert valid_traceparent(header) == header
