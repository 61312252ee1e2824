"""Dead letters keep what they are about as it came."""

import msgspec
import pytest

from sluice_common.bus import Received
from sluice_common.messages.base import to_json
from sluice_common.messages.codec import TASK_EVENTS, BrokenMessageError
from sluice_common.messages.dead_letters import DeadLetter, reason_class

RECORD = Received(None, "task-events", 3, 17, key=b"\xff\x00", value=bytes(range(256)))


def test_a_dead_letter_keeps_key_and_value_as_raw_bytes() -> None:
    letter = msgspec.json.decode(to_json(DeadLetter.of(RECORD, "why")), type=DeadLetter)
    assert (letter.source_topic, letter.partition, letter.offset) == ("task-events", 3, 17)
    assert (letter.key, letter.value, letter.reason) == (RECORD.key, RECORD.value, "why")


def test_of_a_value_that_is_too_large_the_beginning_is_kept_and_the_reason_says_so() -> None:
    letter = DeadLetter.of(RECORD, "why", max_value_bytes=10)
    assert letter.value == bytes(range(10))
    assert letter.reason == "why (the first 10 of 256 bytes)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "not_understood"),
        (b"{", "not_understood"),
        (b"\xff\xfe", "not_understood"),
        (b'{"type":"other"}', "not_understood"),
        (b"[" * 100_000, "not_understood"),
    ],
)
def test_the_reasons_of_our_own_decoder_are_of_a_handful_of_classes(value: bytes | None, expected: str) -> None:
    with pytest.raises(BrokenMessageError) as found:
        TASK_EVENTS.decode(value)
    assert reason_class(str(found.value)) == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("schema_version 2 is newer than 1", "newer_schema"),
        ("a request of 70000 bytes", "too_large"),
        ("it would make a message of 1000001 bytes for execution-events", "too_large"),
        ("the key is not the device's id", "foreign_key"),
        ("cell 'net/7' belongs to another partition", "foreign_key"),
        ("KeyError: 'x'", "failed"),
        ("the payload is larger than 65536 bytes", "too_large"),
        ("whatever else", "other"),
    ],
)
def test_the_class_of_a_reason_leaves_out_what_it_quotes(reason: str, expected: str) -> None:
    assert reason_class(reason) == expected
