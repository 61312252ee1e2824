"""When a callback is said again."""

import random

from sluice_api.domain.callbacks.retries import Breaker, retry_delay


def breaker() -> Breaker:
    return Breaker(after=3, first=1.0, max_pause=900.0, chance=random.Random(7))


def failing(since: float, until: float) -> list[float]:
    """Return when a receiver is called that always fails, if there is always something to post."""
    calls, receiver, at = [], breaker(), since
    while at < until:
        if receiver.limit(at, 8):
            receiver.fail(at)
            calls.append(at)
        at += 0.5
    return calls


def test_the_back_off_doubles_up_to_its_bound_with_a_quarter_of_jitter() -> None:
    chance = random.Random(7)
    for attempts, least in [(1, 1.0), (2, 2.0), (5, 16.0), (11, 900.0), (5000, 900.0)]:
        assert least <= retry_delay(attempts, 1.0, 900.0, chance) <= least * 1.25


def test_a_receiver_that_is_down_for_a_day_is_called_about_a_hundred_times() -> None:
    assert 85 <= len(failing(0.0, 86_400.0)) <= 115


def test_a_receiver_that_fails_now_and_then_is_called_as_ever() -> None:
    receiver = breaker()
    for _ in range(100):
        receiver.fail(0.0)
        receiver.fail(0.0)
        receiver.succeed()
        assert receiver.limit(0.0, 8) == 8


def test_after_its_pause_one_post_asks_and_a_success_opens_the_way() -> None:
    receiver = breaker()
    for _ in range(3):
        receiver.fail(10.0)
    assert receiver.limit(10.0, 8) == 0
    assert receiver.limit(11.5, 8) == 1
    receiver.succeed()
    assert receiver.limit(11.5, 8) == 8


def test_posts_that_were_under_way_when_the_pause_began_do_not_make_it_longer() -> None:
    receiver = breaker()
    for _ in range(8):
        receiver.fail(10.0)
    assert receiver.limit(11.5, 8) == 1


def test_a_pause_that_the_receiver_asked_for_begins_at_once_and_is_kept() -> None:
    receiver = breaker()
    receiver.fail(10.0, retry_after=60.0)
    assert receiver.limit(69.0, 8) == 0
    assert receiver.limit(70.0, 8) == 1
