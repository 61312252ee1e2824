"""No wait for Kafka without an end."""

import asyncio

import pytest
from aiokafka.errors import KafkaTimeoutError

from sluice_common.bus import acknowledged, producer


async def test_what_kafka_does_not_acknowledge_in_time_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "SEND_TIMEOUT", 0.01)
    forgotten: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(KafkaTimeoutError):
        await acknowledged([forgotten])


async def test_nothing_sent_is_acknowledged_at_once() -> None:
    await acknowledged([])
