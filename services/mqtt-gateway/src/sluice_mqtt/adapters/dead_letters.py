"""The topic `dead-letters`: messages of devices that the gateway itself fails at, kept whole."""

import asyncio
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError

from sluice_common.messages.base import now
from sluice_common.messages.dead_letters import DeadLetter

_log = structlog.get_logger()
_RETRY_DELAY = 1.0


class Producer(Protocol):
    """What sends messages to Kafka."""

    async def send_dead_letter(self, letter: DeadLetter, /) -> None:
        """Put a dead letter into Kafka; return when Kafka has it."""


class KafkaDeadLetters:
    """Publishes dead letters; a publication ends only when Kafka has them, however long Kafka is away."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def dead_letter(self, topic: str, payload: bytes, reason: str) -> None:
        """Return when Kafka has the message."""
        while True:
            if await self._try_publish(_letter(topic, payload, reason)):
                return
            await asyncio.sleep(_RETRY_DELAY)

    async def _try_publish(self, letter: DeadLetter) -> bool:
        try:
            await self._producer.send_dead_letter(letter)
        except KafkaError as error:
            _log.warning("message_not_dead_lettered", topic=letter.source_topic, reason=repr(error))
            return False
        return True


def _letter(topic: str, payload: bytes, reason: str) -> DeadLetter:
    """A message in the form of a record; a broker knows no keys, partitions and offsets."""
    return DeadLetter(
        source_topic=topic, partition=0, offset=-1, reason=reason, key=None, value=payload, occurred_at=now()
    )
