"""The mailbox of a device: one word after the other, and each once at least."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.unit.mqtt.fakes import FakeDevices, FakeEvents

from sluice_common.messages.base import Message
from sluice_mqtt.application.mailboxes import Mailboxes, Say
from sluice_mqtt.domain.device import KnownDevice
from sluice_mqtt.domain.events import report_event
from sluice_mqtt.domain.reports import VersionReport


@pytest.fixture
def mailboxes(devices: FakeDevices, events: FakeEvents) -> Mailboxes:
    return Mailboxes(devices, events)


def version(name: str) -> Say:
    def say(device: KnownDevice) -> Sequence[Message]:
        return [report_event(device.app_id, device.device_id, VersionReport(name, None), 1.0, is_live=True)]

    return say


async def say(mailboxes: Mailboxes, device_id: str, words: Say) -> bool:
    """Say what will not come again."""
    return await mailboxes.publish(device_id, words, left=words)


def versions(events: FakeEvents) -> list[str]:
    return [event.firmware_version for event in events.published]


async def test_what_waits_for_kafka_goes_there_together_and_in_its_order(
    mailboxes: Mailboxes, events: FakeEvents
) -> None:
    events.delays = [0.0, 0.05]
    names = [str(number) for number in range(200)]
    async with asyncio.timeout(5.0):
        assert all(await asyncio.gather(*(say(mailboxes, "d1", version(name)) for name in names)))
    assert versions(events) == names
    assert events.publications == 2


async def test_a_device_waits_for_no_other(mailboxes: Mailboxes, events: FakeEvents) -> None:
    events.delays = [0.0, 3600.0]
    stuck = asyncio.create_task(say(mailboxes, "d1", version("1")))
    await events.begun.wait()
    await say(mailboxes, "d2", version("2"))
    assert versions(events) == ["2"]
    stuck.cancel()


async def test_nothing_of_an_unknown_device_is_published(mailboxes: Mailboxes, events: FakeEvents) -> None:
    assert not await say(mailboxes, "d9", version("1"))
    assert events.published == []


async def test_who_is_cancelled_leaves_its_word_for_the_next(mailboxes: Mailboxes, events: FakeEvents) -> None:
    events.delays = [0.0, 3600.0]
    first = asyncio.create_task(say(mailboxes, "d1", version("1")))
    second = asyncio.create_task(say(mailboxes, "d1", version("2")))
    await events.begun.wait()
    first.cancel()
    async with asyncio.timeout(5.0):
        await second
    assert versions(events) == ["1", "2"]


async def test_who_is_cancelled_with_nobody_behind_leaves_its_word_too(
    mailboxes: Mailboxes, events: FakeEvents
) -> None:
    events.delays = [0.0, 3600.0]
    first = asyncio.create_task(say(mailboxes, "d1", version("1")))
    second = asyncio.create_task(say(mailboxes, "d1", version("2")))
    await events.begun.wait()
    for task in (second, first):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    async with asyncio.timeout(5.0):
        await say(mailboxes, "d1", version("3"))
    assert versions(events) == ["1", "2", "3"]


@pytest.mark.parametrize("cancelled", range(20))
async def test_whoever_is_cancelled_whenever_all_others_are_published_once_and_in_order(
    mailboxes: Mailboxes, events: FakeEvents, cancelled: int
) -> None:
    events.delays = [0.0, 0.0, 0.002, 0.001]
    tasks = [asyncio.create_task(say(mailboxes, "d1", version(f"{number:02}"))) for number in range(5)]
    for _ in range(cancelled):
        await asyncio.sleep(0)
    tasks[cancelled % 5].cancel()
    async with asyncio.timeout(5.0):
        await asyncio.gather(*tasks, return_exceptions=True)
        await say(mailboxes, "d1", version("99"))
    found = [name for name in versions(events) if name != f"{cancelled % 5:02}"]
    assert found == [f"{number:02}" for number in range(5) if number != cancelled % 5] + ["99"]


async def test_a_word_that_cannot_be_published_fails_alone(mailboxes: Mailboxes, events: FakeEvents) -> None:
    def fail(_: KnownDevice) -> Sequence[Message]:
        raise ValueError("a mistake")

    bad, good = await asyncio.gather(
        say(mailboxes, "d1", fail), say(mailboxes, "d1", version("2")), return_exceptions=True
    )
    assert isinstance(bad, ValueError)
    assert good is True
    assert versions(events) == ["2"]


async def test_a_report_whose_delivery_is_given_up_is_left_to_the_broker_and_what_it_showed_of_the_connection_is_not(
    mailboxes: Mailboxes, events: FakeEvents
) -> None:
    events.delays = [0.0, 3600.0]
    deliveries = [
        asyncio.create_task(mailboxes.publish("d1", version("reported"), left=None)),
        asyncio.create_task(mailboxes.publish("d1", version("connected and reported"), left=version("connected"))),
    ]
    await events.begun.wait()
    await asyncio.sleep(0)
    for delivery in reversed(deliveries):
        delivery.cancel()
    await asyncio.gather(*deliveries, return_exceptions=True)
    async with asyncio.timeout(5.0):
        await say(mailboxes, "d1", version("next"))
    assert versions(events) == ["connected", "next"]


async def test_however_often_deliveries_are_given_up_nothing_of_them_is_kept(
    mailboxes: Mailboxes, events: FakeEvents
) -> None:
    for _ in range(10):
        events.delays = [0.0, 3600.0]
        events.begun.clear()
        deliveries = [asyncio.create_task(mailboxes.publish("d1", version("1"), left=None)) for _ in range(3)]
        await events.begun.wait()
        for delivery in deliveries:
            delivery.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)
    assert not mailboxes._left
    assert not mailboxes._waiting
