"""The topic `dead-letters`: messages of devices that the gateway itself fails at, kept whole."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiokafka.errors import KafkaError

from sluice_mqtt.application.pending_operations import PendingOperations

_log = structlog.get_logger()
_RETRY_DELAY = 1.0


@dataclass(frozen=True, slots=True)
class _Letter:
    """A message in the form of a record; a broker knows no partitions and offsets."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int = 0
    offset: int = -1


class Producer(Protocol):
    """What sends messages to Kafka."""

    async def dead_letter(self, record: Any, reason: str, /) -> None:
        """Put a record into `dead-letters`; return when Kafka has it."""


class KafkaDeadLetters:
    """Publishes dead letters; a publication ends only when Kafka has them, however long Kafka is away."""

    def __init__(self, producer: Producer, pending: PendingOperations) -> None:
        self._producer = producer
        self._pending = pending

    async def dead_letter(self, topic: str, payload: bytes, reason: str) -> None:
        """Return when Kafka has the message."""
        operation = self._pending.begin()
        try:
            while True:
                if await self._try_publish(_Letter(topic, payload), reason):
                    return
                await asyncio.sleep(_RETRY_DELAY)
        finally:
            self._pending.end(operation)

    async def _try_publish(self, letter: _Letter, reason: str) -> bool:
        try:
            await self._producer.dead_letter(letter, reason)
        except KafkaError as error:
            _log.warning("message_not_dead_lettered", topic=letter.topic, reason=repr(error))
            return False
        return True
