"""Dead letters keep what they are about as it came."""

import msgspec

from sluice_common.bus import Received
from sluice_common.messages.base import to_json
from sluice_common.messages.dead_letters import DeadLetter

RECORD = Received(None, "task-events", 3, 17, key=b"\xff\x00", value=bytes(range(256)))


def test_a_dead_letter_keeps_key_and_value_as_raw_bytes() -> None:
    letter = msgspec.json.decode(to_json(DeadLetter.of(RECORD, "why")), type=DeadLetter)
    assert (letter.source_topic, letter.partition, letter.offset) == ("task-events", 3, 17)
    assert (letter.key, letter.value, letter.reason) == (RECORD.key, RECORD.value, "why")


def test_of_a_value_that_is_too_large_the_beginning_is_kept_and_the_reason_says_so() -> None:
    letter = DeadLetter.of(RECORD, "why", max_value_bytes=10)
    assert letter.value == bytes(range(10))
    assert letter.reason == "why (the first 10 of 256 bytes)"
