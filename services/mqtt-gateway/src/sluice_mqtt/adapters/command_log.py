"""All of `mqtt-commands`, read by every replica: from the beginning when it starts, then as it grows."""

from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.bus import FETCH_WAIT_MS
from sluice_common.messages.codec import MQTT_COMMANDS as DECODER
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.mqtt_commands import MqttCommand
from sluice_common.settings import CommonSettings
from sluice_common.topics import MQTT_COMMANDS

_POLL_MS = 1_000


class CommandLog:
    """A reader without a group; a message that cannot be decoded is dead-lettered by the consumer group."""

    def __init__(self, settings: CommonSettings) -> None:
        self._partitions = [TopicPartition(MQTT_COMMANDS.name, n) for n in range(settings.partitions)]
        self._kafka = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )

    async def start(self) -> None:
        """Connect."""
        await self._kafka.start()
        self._kafka.assign(self._partitions)
        await self._kafka.seek_to_beginning(*self._partitions)

    async def stop(self) -> None:
        """Disconnect."""
        await self._kafka.stop()

    async def history(self) -> AsyncIterator[MqttCommand]:
        """Yield what the topic holds now, in the order of each partition."""
        ends: dict[TopicPartition, int] = await self._kafka.end_offsets(self._partitions)
        while any([await self._kafka.position(partition) < end for partition, end in ends.items()]):
            for command in await self._poll():
                yield command

    async def follow(self) -> AsyncIterator[MqttCommand]:
        """Yield what comes after the history, until cancelled.

        Raises:
            KafkaError: Kafka cannot answer; may be called again.
        """
        while True:
            for command in await self._poll():
                yield command

    async def _poll(self) -> list[MqttCommand]:
        batches = await self._kafka.getmany(timeout_ms=_POLL_MS)
        decoded = [_decode(record) for batch in batches.values() for record in batch]
        return [command for command in decoded if command is not None]


def _decode(record: Any) -> MqttCommand | None:
    try:
        command: MqttCommand = DECODER.decode(record.value)
    except BrokenMessageError:
        return None
    return command
