"""Messages that the gateway failed at, on their way to Kafka."""

from typing import Any, cast

import pytest
from aiokafka.errors import KafkaTimeoutError

from sluice_common.bus import Producer
from sluice_mqtt.adapters import dead_letters
from sluice_mqtt.adapters.dead_letters import DeadLetters
from sluice_mqtt.application.pending_operations import Waits


class FakeProducer:
    """Buries, after failing for some times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.buried: list[tuple[Any, ...]] = []

    async def dead_letter(self, record: Any, reason: str) -> None:
        """Bury it."""
        if self.failures:
            self.failures -= 1
            raise KafkaTimeoutError
        self.buried.append((record.topic, record.partition, record.offset, record.key, record.value, reason))


async def test_a_message_is_buried_however_often_kafka_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "_RETRY_DELAY", 0.0)
    producer, waits = FakeProducer(failures=3), Waits()
    await DeadLetters(cast("Producer", producer), waits).dead_letter("$oc/up", b"{}", "why")
    assert producer.buried == [("$oc/up", 0, -1, None, b"{}", "why")]
    assert waits.oldest() == 0.0
