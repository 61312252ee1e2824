from datetime import timedelta

import pytest
from tests.unit.api.domain.test_dead_letters import AT, letter

from sluice_api.domain.dead_letters import FiledLetter, ReplayState
from sluice_api.entrypoints.letter_texts import age, full_text, line_of


def test_a_line_names_id_age_place_key_and_reason() -> None:
    assert line_of(FiledLetter(letter=letter(3)), AT + timedelta(hours=2, seconds=3)) == (
        "0-3  2 h  device-events 0@103  d  unknown type\n"
    )


def test_what_was_replayed_says_when() -> None:
    filed = FiledLetter(letter=letter(), state=ReplayState.REPLAYED, state_at=AT)
    assert line_of(filed, AT + timedelta(minutes=5)).endswith("[replayed 5 min ago]\n")


def test_bytes_of_strangers_do_not_reach_the_terminal_as_they_are() -> None:
    hostile = letter(key=b"\xff\x1b[2J", value=b"\x1b]0;x\x07", reason="\x1b[31m")
    for text in (line_of(FiledLetter(letter=hostile), AT), full_text(FiledLetter(letter=hostile), AT)):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "\\xff\\x1b[2J" in line_of(FiledLetter(letter=hostile), AT)


def test_a_large_value_is_shown_in_part() -> None:
    assert "… 5000 bytes more" in full_text(FiledLetter(letter=letter(value=b"x" * 25_000)), AT)


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (86_400 * 2, "2 d")])
def test_an_age_is_told_in_its_largest_unit(seconds: int, text: str) -> None:
    assert age(timedelta(seconds=seconds)) == text
