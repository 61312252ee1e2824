"""The topic `registrations`: read to its end before the gateway serves, then followed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.bus import Producer
from sluice_common.messages.codec import REGISTRATIONS as DECODER
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.registrations import Registration
from sluice_common.settings import CommonSettings
from sluice_common.topics import REGISTRATIONS

_POLL_MS = 1_000
_UNHURRIED = {"fetch_min_bytes": 65_536, "fetch_max_wait_ms": 1_000}
"""Most of what comes later are this gateway's own records: reading them once a second costs next to nothing."""


class KafkaRegistrationLog:
    """Reads all partitions of the topic (`sluice_lwm2m.application.ports.RegistrationLog`)."""

    def __init__(self, settings: CommonSettings, producer: Producer) -> None:
        self._bootstrap = settings.kafka_bootstrap
        self._producer = producer
        self._positions = {TopicPartition(REGISTRATIONS.name, n): 0 for n in range(settings.partitions)}

    async def history(self) -> AsyncIterator[Registration]:
        """Yield what the topic holds now, in the order of each partition."""
        async with self._reader() as reader:
            await reader.seek_to_beginning(*self._positions)
            ends: dict[TopicPartition, int] = await reader.end_offsets(list(self._positions))
            while any([await reader.position(partition) < end for partition, end in ends.items()]):
                for record in await self._poll(reader):
                    yield record
            self._positions = {partition: await reader.position(partition) for partition in ends}

    async def follow(self) -> AsyncIterator[Registration]:
        """Yield what comes after the history, until cancelled; up to a second late."""
        async with self._reader(**_UNHURRIED) as reader:
            for partition, position in self._positions.items():
                reader.seek(partition, position)
            while True:
                for record in await self._poll(reader):
                    yield record

    @asynccontextmanager
    async def _reader(self, **tuning: int) -> AsyncIterator[Any]:
        reader = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            **tuning,
        )
        await reader.start()
        try:
            reader.assign(list(self._positions))
            yield reader
        finally:
            await reader.stop()

    async def _poll(self, reader: Any) -> list[Registration]:
        batches = await reader.getmany(timeout_ms=_POLL_MS)
        decoded = [await self._decode(record) for batch in batches.values() for record in batch]
        return [record for record in decoded if record is not None]

    async def _decode(self, record: Any) -> Registration | None:
        try:
            message: Registration = DECODER.decode(record.value)
        except BrokenMessageError as error:
            await self._producer.dead_letter(record, str(error))
            return None
        return message
