"""Messages that the gateway failed at, on their way to Kafka."""

import pytest
from tests.unit.mqtt.fakes import FakeProducer

from sluice_common.supervision import Backoff
from sluice_mqtt.adapters import dead_letters
from sluice_mqtt.adapters.dead_letters import KafkaDeadLetters


async def test_a_dead_letter_is_published_however_often_kafka_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "_BACKOFF", Backoff(0.0, 0.0))
    producer = FakeProducer(failures=3)
    await KafkaDeadLetters(producer).dead_letter("$oc/up", b"{}", "why")
    (letter,) = producer.dead_letters
    assert (letter.source_topic, letter.offset, letter.value, letter.reason) == ("$oc/up", -1, b"{}", "why")
