"""Registrations on their way to Kafka."""

import asyncio

from tests.unit.lwm2m.application_under_test import Application
from tests.unit.lwm2m.builders import T0, registration

from sluice_common.messages.base import utc
from sluice_common.messages.registrations import Registration


async def test_a_record_that_kafka_has_is_not_published_again() -> None:
    application = Application()
    session = application.register(registration())
    await application.store.save(session)
    await application.store.save(session)
    assert application.publisher.messages == [session.record]


async def test_changes_of_one_device_are_published_one_after_the_other() -> None:
    application = Application()
    session = application.register(registration())
    application.publisher.gate.clear()
    first = asyncio.create_task(application.store.replace(session, registration(address="10.0.0.1:2")))
    second = asyncio.create_task(application.store.replace(session, registration(address="10.0.0.1:3")))
    await asyncio.sleep(0)
    assert application.publisher.in_flight == 1
    application.publisher.gate.set()
    await asyncio.gather(first, second)
    assert application.publisher.of(Registration)[-1].address == "10.0.0.1:3"
    assert session.is_saved


async def test_a_record_that_kafka_did_not_take_is_published_the_next_time() -> None:
    application = Application()
    session = application.register(registration())
    application.publisher.failure = OSError("no Kafka")
    await asyncio.gather(application.store.save(session), return_exceptions=True)
    assert not session.is_saved
    application.publisher.failure = None
    await application.store.save(session)
    assert application.publisher.messages == [session.record]


async def test_a_record_that_the_platform_changes_says_when_the_device_spoke_last() -> None:
    application = Application()
    session = application.register(registration())
    await application.store.replace(session, registration(occurred_at=utc(T0 + 500), current_attempt=None))
    (published,) = application.publisher.of(Registration)
    assert published.seen_at == utc(T0)
