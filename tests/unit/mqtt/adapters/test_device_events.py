"""Events on their way to Kafka."""

import pytest
from tests.unit.mqtt.fakes import FakeProducer

from sluice_mqtt.adapters import device_events
from sluice_mqtt.adapters.device_events import KafkaDeviceEvents
from sluice_mqtt.domain.events import presence_event
from sluice_mqtt.domain.presence import Offline, Online


async def test_events_are_published_in_their_order_however_often_kafka_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_events, "_RETRY_DELAY", 0.0)
    producer = FakeProducer(failures=3)
    online = presence_event("a", Online("d", 5, is_new=True), 1.0)
    offline = presence_event("a", Offline("d", 5), 2.0)
    await KafkaDeviceEvents(producer).publish("d", [online, offline])
    assert producer.sent == [("d", online), ("d", offline)]
