"""The topic `device-events`, key device_id."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from aiokafka.errors import KafkaError

from sluice_common.messages.base import Message
from sluice_common.topics import DEVICE_EVENTS, Topic

_log = structlog.get_logger()
_RETRY_DELAY = 1.0


class Producer(Protocol):
    """What sends messages to Kafka."""

    async def send(self, topic: Topic, key: str, message: Message, /) -> asyncio.Future[Any]:
        """Hand a message over; the future is done when Kafka has it."""


class KafkaDeviceEvents:
    """Publishes events; a publication ends only when Kafka has them, however long Kafka is away.

    Callers bound how many publications there are at once: aiokafka wakes all who wait for a full batch, which costs the
    square of their number.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def publish(self, device_id: str, events: Sequence[Message]) -> None:
        """Return when Kafka has the events, in their order."""
        while True:
            if await self._try_publish(device_id, events):
                return
            await asyncio.sleep(_RETRY_DELAY)

    async def _try_publish(self, device_id: str, events: Sequence[Message]) -> bool:
        try:
            futures = [await self._producer.send(DEVICE_EVENTS, device_id, event) for event in events]
            for future in futures:
                await future
        except KafkaError as error:
            _log.warning("event_not_published", device_id=device_id, reason=repr(error))
            return False
        return True
