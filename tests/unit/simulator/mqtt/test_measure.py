"""Downloads at once, from timelines written by hand."""

from sluice_simulator.mqtt import measure
from sluice_simulator.timeline import Timeline, What


def timeline(*events: tuple[float, What]) -> Timeline:
    made, attempt = Timeline("d"), 0
    for at, what in events:
        attempt += what is What.URI_RECEIVED
        made.add(at, what, attempt)
    return made


def spans(one: Timeline, *, over: bool = False) -> list[tuple[float, float]]:
    return [(interval.start, interval.end) for interval in measure.downloads(one, 100.0, over=over)]


BYTES = ((2.0, What.FIRST_BLOCK), (5.0, What.LAST_BLOCK))


def test_a_device_holds_from_the_offer_to_the_whole_image() -> None:
    done = timeline((0.0, What.VERSION_REPORTED), (1.0, What.URI_RECEIVED), *BYTES, (5.0, What.DOWNLOADED))
    assert spans(done) == [(1.0, 5.0)]


def test_one_that_fails_holds_until_its_last_byte() -> None:
    assert spans(timeline((1.0, What.URI_RECEIVED), *BYTES, (9.0, What.FAILED))) == [(1.0, 5.0)]


def test_one_that_fails_before_its_first_byte_does_not_hold() -> None:
    assert spans(timeline((1.0, What.URI_RECEIVED), (9.0, What.FAILED))) == [(1.0, 1.0)]


def test_a_download_under_way_lasts_until_now_and_no_longer_when_all_is_over() -> None:
    running = timeline((1.0, What.URI_RECEIVED), *BYTES)
    assert spans(running) == [(1.0, 100.0)]
    assert spans(running, over=True) == [(1.0, 5.0)]


def test_a_new_offer_tells_that_the_one_before_was_given_up() -> None:
    second = ((20.0, What.URI_RECEIVED), (21.0, What.FIRST_BLOCK), (21.1, What.DOWNLOADED))
    again = timeline((1.0, What.URI_RECEIVED), *BYTES, *second)
    assert spans(again) == [(1.0, 5.0), (20.0, 21.0)]


def test_a_device_that_was_served_for_an_old_token_is_named() -> None:
    served, refused = timeline((1.0, What.OLD_TOKEN_SERVED)), timeline((1.0, What.OLD_TOKEN_REFUSED))
    assert measure.old_tokens_served([served, refused]) == ["d"]
