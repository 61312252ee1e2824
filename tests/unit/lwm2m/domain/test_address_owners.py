"""Which session has which address."""

from typing import Any

import msgspec
import pytest
from tests.unit.lwm2m.builders import ATTEMPT, T0, registration

from sluice_common.messages.base import utc
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

SHARED = Peer(("10.0.0.1", 1))
ELSEWHERE = Peer(("10.0.0.2", 2))
OWN, OTHER = 0, 1
IN_AN_UPGRADE: dict[str, Any] = {"observe_token": "0a", "current_attempt": ATTEMPT}


def sessions() -> Sessions:
    return Sessions(OWN, awake_window=10)


def register(index: Sessions, device_id: str, address: str = "10.0.0.1:1", **changes: Any) -> Session:
    return index.register(registration(device_id, address=address, **changes), T0)


def leave(index: Sessions, session: Session) -> None:
    index.replace(session, msgspec.structs.replace(session.record, deregistered=True))


def test_an_address_is_the_last_device_s_that_has_spoken_for_itself_from_it() -> None:
    index = sessions()
    first, second = register(index, "first"), register(index, "second")
    assert index.owners.owner(SHARED) is second
    assert (first.remote, second.remote) == (None, SHARED)
    index.owners.heard_from(first, SHARED, T0)
    assert index.owners.owner(SHARED) is first
    assert (first.remote, second.remote) == (SHARED, None)


def test_a_device_has_one_address_and_leaves_the_one_before() -> None:
    index = sessions()
    session = register(index, "first")
    index.owners.heard_from(session, ELSEWHERE, T0)
    assert index.owners.owner(SHARED) is None
    assert index.owners.owner(ELSEWHERE) is session


@pytest.mark.parametrize("address", ["10.0.0.1:1", "10.0.0.2:2"])
@pytest.mark.parametrize("queue_mode", [False, True])
def test_a_device_that_registers_anew_can_be_reached_wherever_it_is_now(address: str, queue_mode: bool) -> None:
    index = sessions()
    register(index, "first", **IN_AN_UPGRADE)
    session = register(index, "first", address=address, epoch=2, queue_mode=queue_mode)
    assert session.is_reachable(T0)


@pytest.mark.parametrize("address", ["10.0.0.1:1", "10.0.0.2:2"])
def test_a_device_whose_record_is_read_again_can_be_reached(address: str) -> None:
    index = sessions()
    index.apply(registration("first"))
    index.apply(registration("first", address=address))
    session = index.owned("first")
    assert session is not None
    assert session.is_reachable(T0)


def test_a_device_that_de_registers_has_no_address_and_gives_none_back_to_who_had_it_before() -> None:
    index = sessions()
    first, second = register(index, "first"), register(index, "second")
    leave(index, second)
    assert index.at_address(SHARED, T0) is None
    assert not first.is_addressable
    assert not second.is_addressable
    assert second.destination(1, T0) is None


def test_requests_in_flight_end_with_the_address_and_with_the_registration_but_not_with_a_move() -> None:
    index = sessions()
    ended: list[Session] = []
    first = register(index, "first")
    index.owners.on_release = ended.append
    index.owners.heard_from(first, ELSEWHERE, T0)
    index.replace(first, first.record)
    assert ended == []
    register(index, "second", address="10.0.0.2:2")
    register(index, "first", epoch=2)
    leave(index, first)
    assert [session is first for session in ended].count(True) == 3


def test_an_address_left_or_lost_in_the_midst_of_an_upgrade_is_remembered_until_it_is_taken_back() -> None:
    index = sessions()
    session = register(index, "first", **IN_AN_UPGRADE)
    register(index, "second")
    assert session.former == {SHARED}
    register(index, "first", address="10.0.0.2:2", epoch=2, **IN_AN_UPGRADE)
    assert session.former == {SHARED}
    index.owners.heard_from(session, SHARED, T0)
    assert session.former == {ELSEWHERE}


def test_the_next_device_at_the_address_of_one_that_has_left_does_not_speak_for_it() -> None:
    index = sessions()
    session = register(index, "first", **IN_AN_UPGRADE)
    leave(index, session)
    assert session.former == set()
    register(index, "second")
    assert session.former == {SHARED}


def test_former_addresses_are_forgotten_with_the_upgrade() -> None:
    index = sessions()
    session = register(index, "first", **IN_AN_UPGRADE)
    register(index, "second")
    index.replace(session, msgspec.structs.replace(session.record, observe_token=None))
    assert session.former == {SHARED}
    index.replace(session, msgspec.structs.replace(session.record, current_attempt=None))
    assert session.former == set()


def test_an_address_lost_without_an_upgrade_need_not_be_remembered() -> None:
    index = sessions()
    session = register(index, "first")
    register(index, "second")
    assert session.former == set()


@pytest.mark.parametrize("gateway", [OWN, OTHER])
@pytest.mark.parametrize("order", [("early", "late"), ("late", "early")])
def test_after_a_restart_an_address_is_the_device_s_that_took_it_last_whatever_changed_since(
    order: tuple[str, str], gateway: int
) -> None:
    changed_since = utc(T0 + 500)
    records = {
        "early": registration("early", address_epoch=5, occurred_at=changed_since, **IN_AN_UPGRADE),
        "late": registration("late", address_epoch=6, gateway=gateway),
    }
    index = sessions()
    for name in order:
        index.apply(records[name])
    early, late = index.owned("early"), index.owned("late")
    assert early is not None
    assert early.remote is None
    assert early.former == {SHARED}
    assert index.at_address(SHARED, T0) is (late if gateway == OWN else None)


def test_records_written_before_addresses_had_an_epoch_are_compared_by_that_of_the_registration() -> None:
    index = sessions()
    for device_id, epoch in (("late", 6), ("early", 5)):
        index.apply(registration(device_id, epoch=epoch))
    assert index.at_address(SHARED, T0) is index.owned("late")


def test_a_device_that_has_left_has_no_address_after_a_restart() -> None:
    index = sessions()
    index.apply(registration("first", deregistered=True))
    assert index.at_address(SHARED, T0) is None


def test_who_has_spoken_later_keeps_an_address_though_the_earlier_message_is_worked_on_last() -> None:
    index = sessions()
    second = index.register(registration("second"), T0 + 1)
    first = index.register(registration("first", **IN_AN_UPGRADE), T0)
    assert index.owners.owner(SHARED) is second
    assert not first.is_addressable
    assert first.former == {SHARED}


def test_a_device_that_left_long_ago_takes_no_address_from_who_speaks_from_there_now() -> None:
    gone = registration("gone", address_epoch=5, deregistered=True, occurred_at=utc(T0 + 500))
    for order in (("gone", "present"), ("present", "gone")):
        index = sessions()
        for name in order:
            index.apply(gone if name == "gone" else registration("present", address_epoch=6))
        present = index.owned("present")
        assert present is not None
        assert index.at_address(SHARED, T0) is present


def test_neither_expiry_nor_a_change_of_its_record_gives_a_device_an_address() -> None:
    index = sessions()
    first, second = register(index, "first"), register(index, "second")
    index.replace(first, msgspec.structs.replace(first.record, current_attempt=None, occurred_at=utc(T0 + 5)))
    leave(index, first)
    assert index.owners.owner(SHARED) is second
    assert second.is_reachable(T0)
