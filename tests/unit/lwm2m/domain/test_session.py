"""Awake windows, sends suspended after an Execute, and the sequence of notifications."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lwm2m.builders import T0, registration

from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.session import Session

WINDOW = 93.0
LIFETIME = 1_000
REMOTE = Peer(("10.0.0.1", 1))


def session(*, queue_mode: bool) -> Session:
    record = registration(queue_mode=queue_mode)
    made = Session(record, WINDOW, T0 + LIFETIME)
    made.begin_registration(record, T0 + LIFETIME, T0)
    made.gain_address(REMOTE, T0)
    made.mark_reported(T0, made.awake_until)
    return made


@pytest.mark.requirement("R062")
def test_a_queue_mode_device_is_reachable_for_its_awake_window_after_a_message() -> None:
    sleeper = session(queue_mode=True)
    assert sleeper.is_reachable(T0 + WINDOW - 1)
    assert not sleeper.is_reachable(T0 + WINDOW)
    sleeper.note_uplink(T0 + 500)
    assert sleeper.is_reachable(T0 + 500 + WINDOW - 1)


def test_a_device_without_queue_mode_is_reachable_until_its_lifetime_ends() -> None:
    device = session(queue_mode=False)
    assert device.is_reachable(T0 + LIFETIME - 1)
    assert not device.is_reachable(T0 + LIFETIME)


@pytest.mark.requirement("R061")
def test_a_queue_mode_device_is_reported_once_per_awake_window() -> None:
    sleeper = session(queue_mode=True)
    assert not sleeper.note_uplink(T0 + 50)
    assert sleeper.note_uplink(T0 + 100)
    sleeper.mark_reported(T0 + 100, sleeper.awake_until)
    assert not sleeper.note_uplink(T0 + 100 + WINDOW - 1)
    assert sleeper.note_uplink(T0 + 100 + WINDOW)


def test_a_renewed_lifetime_is_reported_when_half_of_the_reported_one_is_over() -> None:
    device = session(queue_mode=False)
    device.expires_at = T0 + 400 + LIFETIME
    assert not device.note_uplink(T0 + 400)
    device.expires_at = T0 + 600 + LIFETIME
    assert device.note_uplink(T0 + 600)


def test_a_device_taken_for_asleep_is_reported_with_its_next_message() -> None:
    device = session(queue_mode=False)
    device.clear_reported()
    assert device.note_uplink(T0 + 1)


def test_suspended_sends_resume_with_the_next_message() -> None:
    device = session(queue_mode=False)
    device.suspended_until = T0 + 300
    assert not device.is_reachable(T0 + 1)
    assert device.note_uplink(T0 + 2)
    assert device.is_reachable(T0 + 2)


def test_sends_stay_suspended_after_a_message_that_announces_a_restart() -> None:
    device = session(queue_mode=False)
    device.suspended_until = T0 + 300
    assert not device.note_uplink(T0 + 1, restarting=True)
    assert not device.is_reachable(T0 + 1)
    assert device.is_reachable(T0 + 300)


def test_a_device_without_an_address_is_unreachable_and_not_reported_until_it_has_one() -> None:
    device = session(queue_mode=False)
    device.lose_address()
    assert not device.is_reachable(T0 + 1)
    assert not device.note_uplink(T0 + 2)
    device.gain_address(REMOTE, T0)
    assert device.note_uplink(T0 + 3)
    assert device.is_reachable(T0 + 3)


def published(device: Session, sequence: int, now: float = T0, observation: str = "aa") -> bool:
    """Receive a notification, publish it if it is news, and return whether it was."""
    device.receive(observation, sequence, now)
    is_news = device.is_news(observation, sequence, now)
    if is_news:
        device.note_newest(observation, sequence, now)
    return is_news


def test_a_notification_is_news_only_if_its_sequence_number_is_newer() -> None:
    device = session(queue_mode=False)
    assert [n for n in (2, 3, 3, 1, 7, 5, 8) if published(device, n)] == [2, 3, 7, 8]


def test_a_notification_that_kafka_did_not_get_is_news_when_it_comes_again() -> None:
    device = session(queue_mode=False)
    assert device.receive("aa", 5, T0)
    assert device.is_news("aa", 5, T0)
    assert not device.receive("aa", 5, T0)
    assert device.is_news("aa", 5, T0)


def test_a_notification_that_was_received_speaks_for_its_device_once() -> None:
    device = session(queue_mode=False)
    assert [device.receive("aa", n, T0) for n in (5, 5, 4, 6)] == [True, False, False, True]


def test_sequence_numbers_wrap_and_any_is_newer_after_128_seconds() -> None:
    device = session(queue_mode=False)
    assert published(device, 2**24 - 1)
    assert published(device, 0)
    assert not published(device, 2**24 - 1)
    assert published(device, 2**24 - 1, T0 + 129)  # RFC 7641 §3.4: after 128 seconds any is newer


def test_a_new_registration_restarts_the_sequence() -> None:
    device = session(queue_mode=False)
    assert published(device, 500)
    device.begin_registration(device.record, T0 + 1 + LIFETIME, T0 + 1)
    assert device.receive("aa", 1, T0 + 1)
    assert device.is_news("aa", 1, T0 + 1)


def test_each_observation_has_a_sequence_of_its_own() -> None:
    device = session(queue_mode=False)
    assert published(device, 500)
    assert published(device, 1, observation="bb")  # RFC 7641 §3.4 compares within one observation
    assert not published(device, 1, observation="bb")


@given(st.lists(st.integers(0, 2**24 - 1), max_size=20))
def test_the_same_sequence_number_is_never_news_twice_in_a_row(sequences: list[int]) -> None:
    device = session(queue_mode=False)
    for sequence in sequences:
        published(device, sequence)
        assert not published(device, sequence)


def test_message_ids_count_up_and_wrap() -> None:
    device = session(queue_mode=False)
    ids = [device.next_mid() for _ in range(65_536)]
    assert len(set(ids)) == 65_536
    assert (ids[0] + 1) % 65_536 == ids[1]
