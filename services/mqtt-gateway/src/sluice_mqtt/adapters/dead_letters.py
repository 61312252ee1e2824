"""Messages of devices that the gateway itself fails at, to `dead-letters`: kept whole, so that nothing is lost."""

import asyncio
from dataclasses import dataclass

import structlog
from aiokafka.errors import KafkaError

from sluice_common.bus import Producer
from sluice_mqtt.application.pending_operations import Waits

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


class DeadLetters:
    """Buries messages; each burial ends only when Kafka has it, or with the process that has waited for too long."""

    def __init__(self, producer: Producer, waits: Waits) -> None:
        self._producer = producer
        self._waits = waits

    async def dead_letter(self, topic: str, payload: bytes, reason: str) -> None:
        """Return when Kafka has the message."""
        wait = self._waits.begin()
        try:
            while True:
                if await self._buried(_Letter(topic, payload), reason):
                    return
                await asyncio.sleep(_RETRY_DELAY)
        finally:
            self._waits.end(wait)

    async def _buried(self, letter: _Letter, reason: str) -> bool:
        try:
            await self._producer.dead_letter(letter, reason)
        except KafkaError as error:
            _log.warning("message_not_buried", topic=letter.topic, reason=repr(error))
            return False
        return True
