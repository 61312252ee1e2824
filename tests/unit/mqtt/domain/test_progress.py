"""How often a download is told of, and what counts as the whole."""

from sluice_mqtt.domain.permissions import Right
from sluice_mqtt.domain.progress import is_completion, is_last, is_news, note_served

T0 = 1_700_000_000.0
SIZE = 1000


def make_right() -> Right:
    return Right("d", "app", "t:d", 1)


def test_a_download_is_told_at_the_first_byte_then_once_an_interval_and_at_the_last() -> None:
    right = make_right()
    assert [is_news(right, T0 + second, 60.0) for second in (0, 1, 59, 60, 61, 119, 121)] == [
        *(True, False, False, True, False, False, True)
    ]
    assert is_completion(right)
    assert not is_completion(right)


def test_what_is_fetched_after_the_last_byte_is_told_and_may_be_complete_again() -> None:
    right = make_right()
    assert is_completion(right)
    assert is_news(right, T0, 60.0)
    assert is_completion(right)


def test_the_last_range_is_the_rest_only_if_all_before_was_served() -> None:
    right = make_right()
    assert is_last(right, 0, SIZE, SIZE)
    assert not is_last(right, 500, SIZE, SIZE)
    note_served(right, 0, 500)
    assert not is_last(right, 0, 500, SIZE)
    assert is_last(right, 500, SIZE, SIZE)
    assert is_last(right, 400, SIZE, SIZE)
    assert not is_last(right, 501, SIZE, SIZE)


def test_a_look_at_the_end_or_the_beginning_takes_nothing_away() -> None:
    right = make_right()
    for first, end in ((0, 500), (999, 1000), (0, 10)):
        note_served(right, first, end)
    assert is_last(right, 500, SIZE, SIZE)


def test_a_replica_that_served_no_beginning_takes_a_range_that_goes_on_from_its_own() -> None:
    right = make_right()
    note_served(right, 300, 600)
    assert is_last(right, 600, SIZE, SIZE)
    assert not is_last(right, 599, SIZE, SIZE)
    assert not is_last(right, 601, SIZE, SIZE)
