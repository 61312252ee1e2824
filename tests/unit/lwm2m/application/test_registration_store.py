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
