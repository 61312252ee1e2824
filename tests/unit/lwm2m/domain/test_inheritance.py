"""Who answers for an ordinal that is gone, and what."""

import pytest
from msgspec.structs import replace
from tests.unit.lwm2m.builders import T0, close_download, device_requests, registration

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.messages.lwm2m_commands import Execute, Read
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.claims import Claims
from sluice_lwm2m.domain.inheritance import answer_of, inherited_by

AFTER = 120.0
GONE = 2


def serving(gateway: int) -> GatewayClaim:
    return GatewayClaim(app_id="", occurred_at=utc(T0), gateway=gateway, incarnation=1, process=f"p{gateway}")


def left(gateway: int) -> GatewayClaim:
    return replace(serving(gateway), has_left=True)


def inherited(by: int, *log: GatewayClaim, now: float = T0 + AFTER) -> list[int]:
    claims = Claims()
    for claim in log:
        claims.see(claim)
    return [claim.gateway for claim in inherited_by(by, claims, now, AFTER)]


def test_the_lowest_of_those_that_serve_inherits_what_was_left_long_ago() -> None:
    log = left(0), serving(1), left(GONE), serving(3)
    assert inherited(1, *log) == [0, GONE]
    assert inherited(3, *log) == inherited(GONE, *log) == []


def test_what_was_left_a_moment_ago_may_come_back() -> None:
    assert inherited(0, serving(0), left(GONE), now=T0 + AFTER - 1) == []


def test_what_was_not_left_in_good_order_is_nobodys() -> None:
    assert inherited(0, serving(0), serving(GONE), now=T0 + 1e6) == []


def test_what_somebody_has_inherited_who_is_gone_is_inherited_again_at_once() -> None:
    heirs = replace(serving(GONE), incarnation=2, process="p1", heir=1)
    assert inherited(0, serving(0), left(1), heirs, now=T0) == [GONE]


def test_what_comes_back_is_nobodys_any_more() -> None:
    heirs = replace(serving(GONE), incarnation=2, process="p0", heir=0)
    assert inherited(0, serving(0), heirs, replace(serving(GONE), incarnation=3)) == []


@pytest.mark.parametrize(
    ("record", "status"),
    [
        (registration(gateway=GONE), OutcomeStatus.ASLEEP),
        (registration(gateway=GONE, last_execute_id="c"), OutcomeStatus.ALREADY_SENT),
        (registration(gateway=0, epoch=2), OutcomeStatus.STALE),
        (registration(gateway=0, epoch=2, last_execute_id="c"), OutcomeStatus.ALREADY_SENT),
        (None, OutcomeStatus.ASLEEP),
    ],
)
def test_a_device_is_asleep_until_it_registers_elsewhere_and_is_then_asked_anew(
    record: Registration | None, status: OutcomeStatus
) -> None:
    for request in (Execute(path="/5/0/2"), Read(path="/3/0/3")):
        assert answer_of(device_requests(request), GONE, record, T0) is status


@pytest.mark.parametrize("record", [registration(gateway=GONE), registration(gateway=0, epoch=2), None])
def test_what_is_gone_serves_nothing(record: Registration | None) -> None:
    assert answer_of(close_download(), GONE, record, T0) is OutcomeStatus.DONE
