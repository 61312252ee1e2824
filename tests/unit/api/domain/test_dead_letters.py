from datetime import timedelta
from typing import Any

import msgspec
import pytest

from sluice_api.domain.dead_letters import (
    Letter,
    ReplayState,
    Selection,
    filed_letters,
    note_of,
    why_not_replayable,
)
from sluice_common.messages.base import utc
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.topics import MAX_MESSAGE_BYTES

AT = utc(1_800_000_000.0)


def letter(number: int = 0, partition: int = 0, /, **changes: Any) -> Letter:
    content = DeadLetter(
        source_topic="device-events",
        partition=partition,
        offset=100 + number,
        reason="unknown type",
        key=b"d",
        value=b"{}",
        occurred_at=AT + timedelta(seconds=number),
    )
    return Letter(partition=partition, offset=number, content=msgspec.structs.replace(content, **changes))


def note(of: Letter, offset: int, state: ReplayState) -> Letter:
    return Letter(partition=of.partition, offset=offset, content=note_of(of, state, AT))


def test_a_letter_is_new_until_a_note_tells_of_it() -> None:
    one, other = letter(0), letter(1)
    found = filed_letters([other, one, note(one, 2, ReplayState.BEGUN), note(one, 3, ReplayState.REPLAYED)])
    assert [(f.letter.letter_id, f.state) for f in found] == [("0-0", "replayed"), ("0-1", "new")]


def test_a_replay_that_was_begun_and_not_confirmed_is_told_apart() -> None:
    one = letter()
    assert filed_letters([one, note(one, 2, ReplayState.BEGUN)])[0].state is ReplayState.BEGUN


def test_a_note_of_a_letter_that_kafka_has_deleted_tells_nothing() -> None:
    assert filed_letters([note(letter(), 2, ReplayState.REPLAYED)]) == []


def test_a_letter_of_the_same_offset_in_another_partition_is_another_letter() -> None:
    one, other = letter(0, 0), letter(0, 1)
    found = filed_letters([one, other, note(other, 1, ReplayState.REPLAYED)])
    assert {f.letter.letter_id: f.state.value for f in found} == {"0-0": "new", "1-0": "replayed"}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ["0-0", "0-1"]),
        (Selection(topic="registrations"), ["0-1"]),
        (Selection(reason="known"), ["0-0"]),
        (Selection(ids=frozenset(("0-1",))), ["0-1"]),
        (Selection(replayed=True), ["0-0", "0-1", "0-2"]),
    ],
)
def test_letters_are_chosen_by_topic_reason_and_name_and_replayed_ones_only_if_asked(
    selection: Selection, expected: list[str]
) -> None:
    replayed = letter(2)
    letters = [letter(0), letter(1, source_topic="registrations", reason="broken"), replayed]
    found = filed_letters([*letters, note(replayed, 3, ReplayState.REPLAYED)])
    assert [f.letter.letter_id for f in found if selection.has(f)] == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"source_topic": "$oc/devices/d/sys/events/up"},
        {"source_topic": "dead-letters"},
        {"offset": -1},
        {"reason": "broken (the first 1200000 of 1300000 bytes)"},
        {"value": b"x" * (MAX_MESSAGE_BYTES + 1)},
    ],
)
def test_what_was_in_no_topic_or_is_not_whole_cannot_be_replayed(changes: dict[str, Any]) -> None:
    assert why_not_replayable(letter(**changes)) is not None


def test_a_record_of_a_topic_of_ours_can_be_replayed_even_a_tombstone() -> None:
    assert why_not_replayable(letter()) is None
    assert why_not_replayable(letter(value=None)) is None
