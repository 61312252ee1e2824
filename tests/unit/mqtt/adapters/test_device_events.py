"""Events on their way to Kafka."""

import asyncio
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaTimeoutError

from sluice_common.bus import Producer
from sluice_mqtt.adapters import device_events
from sluice_mqtt.adapters.device_events import DeviceEvents, presence_event
from sluice_mqtt.application.pending_operations import Waits
from sluice_mqtt.domain.presence import Offline, Online


class FakeProducer:
    """Takes messages, after failing for some times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.sent: list[tuple[str, Any]] = []

    async def send(self, _topic: object, key: str, message: Any) -> asyncio.Future[None]:
        """Take it."""
        if self.failures:
            self.failures -= 1
            raise KafkaTimeoutError
        self.sent.append((key, message))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future


async def test_events_are_published_in_their_order_however_often_kafka_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_events, "_RETRY_DELAY", 0.0)
    producer = FakeProducer(failures=3)
    online = presence_event("a", Online("d", 5, is_new=True), 1.0)
    offline = presence_event("a", Offline("d", 5), 2.0)
    await DeviceEvents(cast("Producer", producer), Waits()).publish("d", [online, offline])
    assert producer.sent == [("d", online), ("d", offline)]


def test_a_wait_is_as_old_as_the_one_that_began_first() -> None:
    now = 0.0
    waits = Waits(lambda: now)
    assert waits.oldest() == 0.0
    first = waits.begin()
    now = 5.0
    second = waits.begin()
    now = 7.0
    assert waits.oldest() == 7.0
    waits.end(first)
    assert waits.oldest() == 2.0
    waits.end(second)
    assert waits.oldest() == 0.0
