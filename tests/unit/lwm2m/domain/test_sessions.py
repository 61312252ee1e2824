"""The index of sessions, and who owns a device."""

from typing import Any

import msgspec
import pytest
from tests.unit.lwm2m.builders import T0, registration

from sluice_common.messages.base import utc
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.sessions import Sessions

OWN, OTHER = 0, 1


def record(device_id: str = "d", epoch: int = 1, **changes: Any) -> Registration:
    location = f"l-{device_id}-{epoch}"
    return registration(device_id, epoch=epoch, location=location, lifetime=100, expires_at=utc(T0 + 100), **changes)


def sessions() -> Sessions:
    return Sessions(OWN, awake_window=10)


def test_a_session_is_found_by_device_location_token_and_address() -> None:
    index = sessions()
    session = index.register(record(observe_token="0aff"), T0)
    assert index.owned("d") is session
    assert index.at_location("l-d-1", T0) is session
    assert index.observed_by(b"\x0a\xff") is session
    assert index.at_address(Peer(("10.0.0.1", 1)), T0) is session
    assert index.record("d") is session.record
    assert len(index) == 1


def test_all_messages_to_a_device_share_one_message_id_counter() -> None:
    index = sessions()
    session = index.register(record(), T0)
    numbers = [index.next_mid(Peer(("10.0.0.1", 1))), session.next_mid(), index.next_mid(Peer(("10.0.0.1", 1)))]
    assert [(number - numbers[0]) % 65_536 for number in numbers] == [0, 1, 2]  # RFC 7252 §4.4


def test_unknown_addresses_share_one_message_id_counter() -> None:
    index = sessions()
    numbers = {index.next_mid(Peer(("10.0.0.1", port))) for port in range(65_536)}
    assert numbers == set(range(65_536))


def test_location_token_and_address_of_the_earlier_registration_are_dropped() -> None:
    index = sessions()
    session = index.register(record(observe_token="0a"), T0)
    index.register(record(epoch=2, address="10.0.0.1:2"), T0)
    assert index.at_location("l-d-1", T0) is None
    assert index.at_location("l-d-2", T0) is session
    assert index.observed_by(b"\x0a") is None
    assert index.at_address(Peer(("10.0.0.1", 1)), T0) is None


def test_a_location_ends_with_the_lifetime_and_with_the_registration() -> None:
    index = sessions()
    session = index.register(record(), T0)
    assert index.at_location("l-d-1", T0 + 100) is None
    index.replace(session, msgspec.structs.replace(session.record, deregistered=True))
    assert index.at_location("l-d-1", T0) is None
    assert index.owned("d") is session


def test_an_address_belongs_to_the_device_that_used_it_last() -> None:
    index = sessions()
    first = index.register(record("first"), T0)
    second = index.register(record("second"), T0)
    assert index.at_address(Peer(("10.0.0.1", 1)), T0) is second
    assert not first.is_reachable(T0)
    assert second.is_reachable(T0)


def test_a_session_expires_once_and_not_before_its_last_renewal() -> None:
    index = sessions()
    session = index.register(record(), T0)
    index.register(record(epoch=2), T0 + 50)
    assert list(index.expired(T0 + 149)) == []
    assert list(index.expired(T0 + 150)) == [session]
    index.replace(session, msgspec.structs.replace(session.record, deregistered=True))
    assert list(index.expired(T0 + 1_000)) == []
    index.register(record(epoch=3), T0 + 1_000)
    assert list(index.expired(T0 + 1_100)) == [session]


def test_a_session_whose_lifetime_was_shortened_expires_at_its_new_end() -> None:
    index = sessions()
    session = index.register(record(), T0)
    index.extend(session, T0 + 60)
    index.extend(session, T0 + 30)
    assert list(index.expired(T0 + 29)) == []
    assert list(index.expired(T0 + 30)) == [session]
    assert list(index.expired(T0 + 1_000)) == []


def test_a_lifetime_that_is_shortened_and_extended_again_ends_when_it_was_extended_to() -> None:
    index = sessions()
    session = index.register(record(), T0)
    index.extend(session, T0 + 30)
    index.extend(session, T0 + 500)
    assert list(index.expired(T0 + 499)) == []
    assert list(index.expired(T0 + 500)) == [session]


def test_a_device_that_shortens_its_lifetime_again_and_again_takes_no_more_memory_for_it() -> None:
    index = sessions()
    session = index.register(record(), T0)
    for seconds in range(20_000, 0, -1):
        index.extend(session, T0 + seconds)
    assert len(index._expiries) <= 1_010
    assert list(index.expired(T0 + 1)) == [session]


def test_after_a_restart_own_devices_are_reachable_unless_they_are_in_queue_mode() -> None:
    index = sessions()
    index.apply(record("awake"))
    index.apply(record("sleeper", queue_mode=True, address="10.0.0.1:2"))
    awake, sleeper = index.owned("awake"), index.owned("sleeper")
    assert awake is not None
    assert sleeper is not None
    assert awake.is_reachable(T0 + 1)
    assert not sleeper.is_reachable(T0 + 1)
    assert sleeper.note_uplink(T0 + 2)
    assert awake.is_saved


def test_the_record_with_the_highest_epoch_holds() -> None:
    index = sessions()
    for epoch in (1, 3, 2):
        index.apply(record(epoch=epoch))
    known = index.record("d")
    assert known is not None
    assert known.epoch == 3


def test_a_device_of_another_gateway_is_known_and_not_owned() -> None:
    index = sessions()
    index.apply(record(gateway=OTHER, observe_token="0a"))
    assert index.owned("d") is None
    assert index.record("d") is not None
    assert index.at_location("l-d-1", T0) is None
    assert index.observed_by(b"\x0a") is None


def test_a_higher_epoch_at_another_gateway_ends_ownership() -> None:
    index = sessions()
    index.register(record(epoch=5), T0)
    index.apply(record(epoch=6, gateway=OTHER))
    assert index.owned("d") is None
    assert index.at_location("l-d-5", T0) is None
    assert list(index.expired(T0 + 1_000)) == []


def test_an_older_record_of_another_gateway_makes_the_own_one_unsaved() -> None:
    index = sessions()
    session = index.register(record(epoch=6), T0)
    session.saved = session.record
    assert index.apply(record(epoch=5, gateway=OTHER)) is session
    assert index.owned("d") is session
    assert not session.is_saved


@pytest.mark.parametrize("own_first", [True, False])
def test_of_two_registrations_of_the_same_millisecond_one_gateway_owns_the_device(own_first: bool) -> None:
    owners = []
    for own, other in ((0, 1), (1, 0)):
        index = Sessions(own, awake_window=10)
        written = [record(gateway=own), record(gateway=other)]
        if own_first:
            index.register(written[0], T0)
            index.apply(written[1])
        else:
            for each in reversed(written):
                index.apply(each)
        owners += [own] if index.owned("d") is not None else []
    assert owners == [1]


def test_a_forgotten_device_has_neither_address_nor_location_nor_token() -> None:
    index = sessions()
    index.register(record(observe_token="0aff"), T0)
    index.forget("d")
    assert index.owned("d") is None
    assert index.at_location("l-d-1", T0) is None
    assert index.observed_by(b"\x0a\xff") is None
    assert index.at_address(Peer(("10.0.0.1", 1)), T0) is None
    index.register(record("e"), T0)
    owner = index.at_address(Peer(("10.0.0.1", 1)), T0)
    assert owner is not None
    assert owner.record.device_id == "e"
