"""Refusals per source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap.addresses import Address, network_of
from sluice_lwm2m.domain.refusal_limit import RefusalLimit


@given(st.lists(st.floats(0, 1), max_size=200))
def test_no_more_refusals_than_the_rate_and_a_burst_are_free(pauses: list[float]) -> None:
    limit, now, free = RefusalLimit(2.0), 0.0, 0
    for pause in pauses:
        now += pause
        if not limit.is_reached("a", now):
            free += 1
            limit.note("a", now)
    assert free <= 2.0 * now + 20 + 1


def test_a_clock_that_is_set_back_does_no_harm() -> None:
    limit = RefusalLimit(0.1)
    limit.note("a", 1_000.0)
    assert limit.is_reached("a", 5.0)
    assert not limit.is_reached("a", 1_010.1)


def test_only_so_many_sources_are_remembered() -> None:
    limit = RefusalLimit(0.1)
    for number in range(10_001):
        limit.note(str(number), 0.0)
    assert [limit.is_reached(source, 0.0) for source in ("0", "1", "10000")] == [False, True, True]


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (("10.0.0.1", 1), "10.0.0.1"),
        (("::ffff:10.0.0.1", 1, 0, 0), "::ffff:10.0.0.1"),
        (("2001:db8::1:2:3:4", 1, 0, 0), "2001:db8::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
    ],
)
def test_a_source_is_an_ip_address_or_what_one_subscriber_has_of_ipv6(address: Address, source: str) -> None:
    assert network_of(address) == source
