from hypothesis import given
from hypothesis import strategies as st

from sluice_embedded.domain import backoff


def test_waits_double_from_half_a_second() -> None:
    assert [backoff.delay(failures) for failures in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]


@given(st.integers(min_value=1, max_value=10_000))
def test_no_wait_is_longer_than_half_a_minute(failures: int) -> None:
    assert backoff.delay(failures) <= backoff.delay(failures + 1) <= 30.0


def test_a_service_that_lived_long_starts_counting_anew() -> None:
    assert backoff.failures_after(7, lived=backoff.STEADY) == 1
    assert backoff.failures_after(7, lived=backoff.STEADY - 1) == 8
