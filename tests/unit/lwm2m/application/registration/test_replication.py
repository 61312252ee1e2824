"""Registrations that other gateways publish, and those of this one after a restart."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.unit.lwm2m.application_under_test import Application
from tests.unit.lwm2m.builders import T0, registration

from sluice_common.messages.registrations import Registration
from sluice_lwm2m.application.ports import ForgottenDevice
from sluice_lwm2m.application.registration.replication import RegistrationReplication

OWN, OTHER = 0, 1
Read = Registration | ForgottenDevice


class Log:
    """Holds registrations."""

    def __init__(self, before: Sequence[Read], after: Sequence[Read]) -> None:
        self._before = before
        self._after = after

    async def read(self, take: Callable[[Read], Awaitable[None]]) -> None:
        """Hand over what is there."""
        for record in self._before:
            await take(record)

    async def follow(self, take: Callable[[Read], Awaitable[None]]) -> None:
        """Hand over what comes."""
        for record in self._after:
            await take(record)


async def test_the_registrations_of_this_gateway_are_there_after_a_restart() -> None:
    application = Application()
    log = Log([registration("d", epoch=1), registration("d", epoch=2), registration("e", gateway=OTHER)], [])
    await RegistrationReplication(OWN, log, application.sessions, application.mailbox, application.store).restore()
    session = application.sessions.owned("d")
    assert session is not None
    assert session.record.epoch == 2
    assert application.sessions.owned("e") is None
    assert application.publisher.messages == []


async def test_a_device_that_registers_at_another_gateway_is_no_longer_owned() -> None:
    application = Application()
    application.register(registration("d", epoch=1))
    log = Log([], [registration("d", epoch=2, gateway=OTHER)])
    await RegistrationReplication(OWN, log, application.sessions, application.mailbox, application.store).follow()
    assert application.sessions.owned("d") is None


async def test_a_registration_is_published_again_when_another_gateway_has_published_an_older_one_late() -> None:
    application = Application()
    session = application.register(registration("d", epoch=2))
    session.saved = session.record
    log = Log([], [registration("d", epoch=1, gateway=OTHER)])
    await RegistrationReplication(OWN, log, application.sessions, application.mailbox, application.store).follow()
    assert application.sessions.owned("d") is session
    assert application.publisher.messages == [session.record]


async def test_records_of_this_gateway_that_come_back_are_ignored() -> None:
    application = Application()
    session = application.register(registration("d", epoch=1))
    log = Log([], [registration("d", epoch=3)])
    await RegistrationReplication(OWN, log, application.sessions, application.mailbox, application.store).follow()
    assert session.record.epoch == 1


@pytest.mark.parametrize("address", ["", "nowhere", "10.0.0.1:", ":5683", "10.0.0.1:coap"])
async def test_a_registration_without_an_address_is_skipped_and_later_ones_are_taken(address: str) -> None:
    application = Application()
    log = Log([registration("d"), registration("d", epoch=2, address=address), registration("e")], [])
    await RegistrationReplication(OWN, log, application.sessions, application.mailbox, application.store).restore()
    session = application.sessions.owned("d")
    assert session is not None
    assert session.record.epoch == 1
    assert application.sessions.at_location(session.record.location, T0) is session
    assert application.sessions.owned("e") is not None


@pytest.mark.parametrize("gateway", [OWN, OTHER])
async def test_a_device_that_the_platform_has_deleted_is_dropped_and_nothing_is_published_of_it(gateway: int) -> None:
    application = Application()
    session = application.register(registration("d", gateway=gateway))
    log = Log([], [ForgottenDevice("d"), ForgottenDevice("never heard of")])
    await RegistrationReplication(OWN, log, application.sessions, application.mailbox, application.store).follow()
    assert len(application.sessions) == 0
    assert application.sessions.at_location(session.record.location, T0) is None
    assert session.record.deregistered, "whoever waits for its turn finds it ended"
    assert list(application.sessions.expired(T0 + 1e9)) == []
    assert application.publisher.messages == []


async def test_a_device_that_was_deleted_while_the_gateway_was_away_is_not_there_after_its_start() -> None:
    application = Application()
    log = Log([registration("d"), registration("e"), ForgottenDevice("d")], [])
    await RegistrationReplication(OWN, log, application.sessions, application.mailbox, application.store).restore()
    assert application.sessions.owned("d") is None
    assert application.sessions.owned("e") is not None
