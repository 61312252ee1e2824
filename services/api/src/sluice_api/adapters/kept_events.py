"""All that Kafka keeps of some topics, read once from the beginning to where they end now."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from pymongo.errors import PyMongoError

from sluice_common.bus import Received
from sluice_common.errors import FatalError, PoisonError
from sluice_common.settings import CommonSettings
from sluice_common.supervision import is_passing, persist
from sluice_common.topic_reader import TopicReader
from sluice_common.topics import Topic

_TRIES_FOR = 60.0
"""Seconds for which a batch is tried again that the database does not take."""
Take = Callable[[Sequence[Received]], Awaitable[None]]


class KeptEvents:
    """Batches of what is kept of one topic.

    Attributes:
        name: Of the topic.
        read_records: Messages so far.
        poison: Those of them that can never be stored; their consumer has dead-lettered them.

    Args:
        settings: Where Kafka is.
        topic: The topic.
        take: Takes a batch; what it raises but poison is tried again for a while.
        max_records: Most messages of a batch.
    """

    def __init__(self, settings: CommonSettings, topic: Topic, take: Take, max_records: int) -> None:
        self.read_records = 0
        self.poison = 0
        self.name = topic.name
        self._reader: TopicReader[Received] = TopicReader(settings, topic, decode=partial(_received, topic))
        self._take = take
        self._max_records = max_records
        self._batch: list[Received] = []
        self._reached: dict[int, int] = {}

    @property
    def share(self) -> float:
        """How far the topic is read, from 0 to 1; what Kafka has deleted at its beginning counts as read."""
        ends = self._reader.ends
        return min(1.0, sum(self._reached.values()) / (sum(ends.values()) or 1))

    async def read(self, progress: Callable[[], None]) -> None:
        """Hand over everything; `progress` is called after each batch.

        Raises:
            FatalError: A batch cannot be written.
            KafkaError: Kafka cannot be reached.
        """

        async def gather(received: Received) -> None:
            self._batch.append(received)
            if len(self._batch) >= self._max_records:
                await self._flush()
                progress()

        await self._reader.read(gather)
        await self._flush()
        self._reached = dict(self._reader.ends)
        progress()

    async def _flush(self) -> None:
        batch, self._batch = self._batch, []
        try:
            if batch and not await self._is_written(batch):
                self.poison += sum([not await self._is_written([received]) for received in batch])
        except Exception as error:
            raise FatalError(f"{self.name} cannot be written: {error!r}") from error
        self.read_records += len(batch)
        self._reached |= {r.partition: r.offset + 1 for r in batch}

    async def _is_written(self, batch: Sequence[Received]) -> bool:
        """Write a batch; return False if it holds what can never be stored."""
        try:
            await persist("batch_not_rebuilt", partial(self._take, batch), within=_TRIES_FOR, passing=_may_pass)
        except PoisonError:
            return False
        return True


def _may_pass(error: BaseException) -> bool:
    """Return whether an error may pass: those of a projector that inserts the same row at the same moment, too."""
    return is_passing(error) or isinstance(error, PyMongoError)


def _received(topic: Topic, record: Any) -> Received:
    """Return a record as a message.

    Raises:
        BrokenMessageError: It is none, or a tombstone: the reader passes over it.
    """
    assert topic.decoder is not None  # noqa: S101 - of topics without one nothing is rebuilt
    return Received(
        topic.decoder.decode(record.value), record.topic, record.partition, record.offset, record.key, record.value
    )
