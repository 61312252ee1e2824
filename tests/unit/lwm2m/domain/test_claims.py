"""Which of several processes has an ordinal, whatever the order in which their claims come."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sluice_common.messages.base import utc
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_lwm2m.domain.claims import Claims


def claim(incarnation: int, process: str, *, gateway: int = 0) -> GatewayClaim:
    return GatewayClaim(app_id="", occurred_at=utc(0), gateway=gateway, incarnation=incarnation, process=process)


def after(*log: GatewayClaim) -> Claims:
    claims = Claims()
    for entry in log:
        claims.see(entry)
    return claims


def test_the_first_process_of_an_ordinal_begins_with_one() -> None:
    assert after(claim(7, "other", gateway=1)).next(0, "a", 0.0) == claim(1, "a")


def test_each_process_takes_the_ordinal_from_the_one_before() -> None:
    older = claim(3, "a")
    newer = after(older).next(0, "b", 0.0)
    assert newer == claim(4, "b")
    assert after(older, newer).taker(older) == newer
    assert after(older, newer).taker(newer) is None


def test_of_two_that_have_read_the_same_the_later_one_in_the_log_has_the_ordinal() -> None:
    first, second = claim(4, "a"), claim(4, "b")
    assert after(first, second).taker(first) == second
    assert after(first, second).taker(second) is None


def test_a_claim_that_was_held_up_takes_nothing_from_a_newer_one() -> None:
    newer, late = claim(5, "a"), claim(4, "b")
    assert after(newer, late).taker(newer) is None
    assert after(newer, late).taker(late) == newer


def test_the_ordinals_of_others_are_nobodys_business() -> None:
    own = claim(1, "a")
    assert after(own, claim(9, "b", gateway=1)).taker(own) is None


def test_a_process_that_left_has_not_lost_its_ordinal() -> None:
    own = claim(1, "a")
    claims = after(own, replace(own, has_left=True))
    assert claims.taker(own) is None
    newest = claims.newest(0)
    assert newest is not None
    assert newest.has_left


def test_the_holder_knows_when_kafka_keeps_the_claim_of_another() -> None:
    own, late = claim(5, "a"), claim(4, "b")
    assert after(own).is_last(own)
    assert not after(own, late).is_last(own)
    assert after(own, late, own).is_last(own)


@given(st.permutations(range(12)))
def test_however_starts_interleave_exactly_one_process_keeps_the_ordinal(order: list[int]) -> None:
    """Each process reads, and later writes; the steps of all are mixed at will."""
    log: list[GatewayClaim] = []
    own: dict[int, GatewayClaim] = {}
    for slot in order:
        process = slot % 6
        if process in own:
            log.append(own[process])
        else:
            own[process] = after(*log).next(0, str(process), 0.0)
    claims = after(*log)
    assert [entry for entry in log if claims.taker(entry) is None] == [claims.newest(0)]
