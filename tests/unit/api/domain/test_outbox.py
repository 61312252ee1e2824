import json
from datetime import UTC, datetime

import msgspec
import pytest

from sluice_api.domain.outbox import also_send, entry, topic_of, valid_traceparent, with_messages
from sluice_common.messages.base import to_json
from sluice_common.messages.task_events import TaskStopRequested
from sluice_common.topics import TASK_EVENTS

AT = datetime(2026, 11, 22, tzinfo=UTC)
STOP = TaskStopRequested(app_id="a", occurred_at=AT, task_id="t")


def test_what_waits_is_sent_as_it_was_written() -> None:
    waiting = entry(TASK_EVENTS, "t", STOP)
    assert topic_of(waiting) is TASK_EVENTS
    sent = to_json(msgspec.Raw(waiting["value"].encode()))
    assert TASK_EVENTS.decoder is not None
    assert TASK_EVENTS.decoder.decode(sent) == STOP
    assert json.loads(sent)["type"] == "task_stop_requested"


def test_a_document_carries_its_messages_and_when_they_are_due() -> None:
    waiting = entry(TASK_EVENTS, "t", STOP)
    assert with_messages({"_id": "t"}, AT, waiting) == {"_id": "t", "outbox": [waiting], "relay_at": AT}
    assert also_send(AT, waiting)["$push"] == {"outbox": {"$each": [waiting]}}


@pytest.mark.parametrize("header", [None, "", "x", "00-" + "g" * 32 + "-" + "0" * 16 + "-01", "\n"])
def test_a_trace_context_that_is_none_is_dropped(header: str | None) -> None:
    assert valid_traceparent(header) is None


def test_a_trace_context_is_passed_on() -> None:
    header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert valid_traceparent(header) == header
