"""The topic `dead-letters`, and the topics that its letters came from."""

from typing import Any

import msgspec

from sluice_api.domain.dead_letters import Letter
from sluice_common.bus import Producer
from sluice_common.errors import PoisonError
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.settings import CommonSettings
from sluice_common.topic_reader import TopicReader
from sluice_common.topics import DEAD_LETTERS

_decoder = msgspec.json.Decoder(DeadLetter)


class KafkaDeadLetters:
    """Letters as Kafka has them.

    Args:
        settings: Where Kafka is.
        producer: Writes.
    """

    def __init__(self, settings: CommonSettings, producer: Producer) -> None:
        self._settings = settings
        self._producer = producer

    async def letters(self) -> list[Letter]:
        """Return all that it holds now."""
        found: list[Letter] = []

        async def take(letter: Letter) -> None:
            found.append(letter)

        await TopicReader(self._settings, DEAD_LETTERS, decode=_letter).read(take)
        return found

    async def add(self, letter: DeadLetter) -> None:
        """Put one there; return when Kafka has it."""
        await self._producer.send_dead_letter(letter)

    async def has_newer(self, letter: Letter) -> bool:
        """Return whether something came under a letter's key after it, in a topic that keeps the newest of each key."""
        topic, content = letter.topic, letter.content
        if topic is None or not topic.is_compacted:
            return False
        newest = -1

        async def take(record: Any) -> None:
            nonlocal newest
            if record.key == content.key:
                newest = record.offset

        reader = TopicReader(self._settings, topic, decode=lambda record: record, partitions=[content.partition])
        await reader.read(take)
        return newest > content.offset

    async def send_again(self, letter: Letter) -> None:
        """Put a letter's record behind all others of its partition, under the same key; return when Kafka has it."""
        topic, content = letter.topic, letter.content
        if topic is None:
            raise ValueError(f"{content.source_topic} is no topic of this system")
        await self._producer.publish_bytes(topic, content.key, content.value, content.partition)


def _letter(record: Any) -> Letter:
    """Return a record as a letter.

    Raises:
        PoisonError: It is none.
    """
    try:
        content = _decoder.decode(record.value or b"")
    except msgspec.DecodeError as error:
        raise PoisonError(str(error)) from error
    return Letter(partition=record.partition, offset=record.offset, content=content)
