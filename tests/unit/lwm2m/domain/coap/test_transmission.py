"""Retransmission times, against the table of RFC 7252 §4.8.2."""

from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap.transmission import Transmission

DEFAULTS = Transmission(ack_timeout=2, max_retransmit=4, response_timeout=60)


def test_timeouts_double_from_ack_timeout_on() -> None:
    assert list(DEFAULTS.timeouts(0.0)) == [2, 4, 8, 16, 32]


def test_all_timeouts_together_are_at_most_max_transmit_wait() -> None:
    assert sum(DEFAULTS.timeouts(1.0)) == 93


def test_one_transmission_is_waited_for_as_long_as_many() -> None:
    assert list(DEFAULTS.timeouts(0.5, once=True)) == [sum(DEFAULTS.timeouts(0.5))]


@given(st.floats(0, 1, exclude_max=True))
def test_the_first_timeout_is_spread_over_ack_random_factor(chance: float) -> None:
    first = next(DEFAULTS.timeouts(chance))
    assert 2 <= first <= 3
