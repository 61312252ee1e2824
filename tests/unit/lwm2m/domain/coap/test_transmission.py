"""Retransmission times, against the table of RFC 7252 §4.8.2."""

from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap.transmission import Transmission

DEFAULTS = Transmission(ack_timeout=2, max_retransmit=4, response_timeout=60)


def test_waits_double_from_the_acknowledgement_timeout_on() -> None:
    assert list(DEFAULTS.waits(0.0)) == [2, 4, 8, 16, 32]


def test_all_waits_together_are_at_most_max_transmit_wait() -> None:
    assert sum(DEFAULTS.waits(1.0)) == 93


@given(st.floats(0, 1, exclude_max=True))
def test_the_first_wait_is_spread_over_the_random_factor(chance: float) -> None:
    first = next(DEFAULTS.waits(chance))
    assert 2 <= first <= 3
