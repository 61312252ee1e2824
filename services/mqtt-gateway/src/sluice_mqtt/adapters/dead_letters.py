"""The topic `dead-letters`: messages of devices that the gateway itself fails at, kept whole."""

from typing import Protocol

from sluice_common.messages.base import now
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.supervision import Backoff, persist

_BACKOFF = Backoff(first=1.0, longest=5.0)


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
        letter = _letter(topic, payload, reason)
        await persist(
            "message_not_dead_lettered", lambda: self._producer.send_dead_letter(letter), backoff=_BACKOFF, topic=topic
        )


def _letter(topic: str, payload: bytes, reason: str) -> DeadLetter:
    """A message in the form of a record; a broker knows no keys, partitions and offsets."""
    return DeadLetter(
        source_topic=topic, partition=0, offset=-1, reason=reason, key=None, value=payload, occurred_at=now()
    )
