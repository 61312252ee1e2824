"""Events on their way to Kafka."""

import asyncio
from contextlib import suppress

import pytest
from tests.unit.mqtt.fakes import FakeProducer

from sluice_common.background import BackgroundTasks
from sluice_common.errors import FatalError
from sluice_common.supervision import Backoff
from sluice_mqtt.adapters import device_events
from sluice_mqtt.adapters.device_events import KafkaDeviceEvents
from sluice_mqtt.domain.events import presence_event
from sluice_mqtt.domain.presence import Offline, Online


async def test_events_are_published_in_their_order_however_often_kafka_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_events, "_BACKOFF", Backoff(0.0, 0.0))
    producer = FakeProducer(failures=3)
    online = presence_event("a", Online("d", 5, is_new=True), 1.0)
    offline = presence_event("a", Offline("d", 5), 2.0)
    await KafkaDeviceEvents(producer, BackgroundTasks()).publish("d", [online, offline])
    assert producer.sent == [("d", online), ("d", offline)]


async def test_events_that_kafka_never_acknowledges_are_sent_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_events, "_BACKOFF", Backoff(0.0, 0.0))
    monkeypatch.setattr(device_events, "_SEND_TIMEOUT", 0.05)
    producer = FakeProducer()
    producer.silences = 2
    online = presence_event("a", Online("d", 5, is_new=True), 1.0)
    offline = presence_event("a", Offline("d", 5), 2.0)
    async with asyncio.timeout(5):
        await KafkaDeviceEvents(producer, BackgroundTasks()).publish("d", [online, offline])
    assert producer.sent == [("d", online), ("d", offline)] * 2


async def test_a_producer_that_has_ended_ends_the_process() -> None:
    producer = FakeProducer()
    producer.error = FatalError("fenced")
    with pytest.raises(FatalError, match="in the background"):
        await publish_in_service(producer)


async def publish_in_service(producer: FakeProducer) -> None:
    async with BackgroundTasks() as tasks:
        with suppress(FatalError):
            await KafkaDeviceEvents(producer, tasks).publish("d", [presence_event("a", Offline("d", 5), 2.0)])
        await asyncio.sleep(10.0)
