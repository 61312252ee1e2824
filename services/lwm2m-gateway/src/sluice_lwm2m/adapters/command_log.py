"""The partition of `lwm2m-commands` that belongs to this gateway."""

from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.bus import FETCH_WAIT_MS, Producer, fetch
from sluice_common.errors import PoisonError
from sluice_common.messages.codec import LWM2M_COMMANDS as DECODER
from sluice_common.messages.lwm2m_commands import Lwm2mCommand
from sluice_common.settings import CommonSettings
from sluice_common.supervision import persist
from sluice_common.topics import LWM2M_COMMANDS
from sluice_lwm2m.application.ports import ReceivedCommand

_BACKLOG_RECORDS = 1_000


class KafkaCommandLog:
    """Reads one partition, assigned by hand: it belongs to the ordinal and not to any member of a group.

    Implements `sluice_lwm2m.application.ports.CommandLog`.
    """

    def __init__(self, settings: CommonSettings, ordinal: int, producer: Producer) -> None:
        self._producer = producer
        self._partition = TopicPartition(LWM2M_COMMANDS.name, ordinal)
        self._committed = 0
        self._kafka = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=f"lwm2m-gateway-{ordinal}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )

    async def start(self) -> int:
        """Connect; return the offset at which reading goes on."""
        await self._kafka.start()
        self._kafka.assign([self._partition])
        self._committed = int(await self._kafka.position(self._partition))
        return self._committed

    async def stop(self) -> None:
        """Disconnect."""
        await self._kafka.stop()

    async def backlog(self) -> list[ReceivedCommand]:
        """Return what is in the partition now: a process before this one may have worked on it."""
        self._kafka.seek(self._partition, self._committed)  # it may have failed half-way before
        end = await self.end()
        backlog: list[ReceivedCommand] = []
        while await self._kafka.position(self._partition) < end:
            backlog += await self.read(_BACKLOG_RECORDS)
        return backlog

    async def end(self) -> int:
        """Return where the partition ends."""
        return int((await self._kafka.end_offsets([self._partition]))[self._partition])

    async def read(self, max_records: int) -> list[ReceivedCommand]:
        """Return the next commands, at most `max_records`; none if none came within a second.

        Raises:
            FatalError: This client has ended.
            KafkaError: Kafka cannot be reached.
        """
        batches = await fetch(self._kafka, max_records)
        return [ReceivedCommand(r.offset, await self._decode(r)) for batch in batches.values() for r in batch]

    async def commit(self, offset: int) -> None:
        """Let a restart begin at an offset."""
        if offset > self._committed:
            await self._kafka.commit({self._partition: offset})
            self._committed = offset

    async def _decode(self, record: Any) -> Lwm2mCommand | None:
        try:
            command: Lwm2mCommand = DECODER.decode(record.value)
        except PoisonError as error:
            # Not raised: what was read with it would be lost.
            await persist("command_not_dead_lettered", partial(self._producer.dead_letter, record, str(error)))
            return None
        return command
