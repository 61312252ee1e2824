"""Images that gateways must not hand out any more: those of packages whose key was revoked.

Every gateway reads all of `package-events` when it starts and follows it from then on, without a consumer group. An
event older than the topic's retention is gone, but by then the executions that could fetch the image have long been
stopped; this makes sure that none of them fetches another block before its stop arrives.
"""

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.messages.codec import PACKAGE_EVENTS as DECODER
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.package_events import PackageRevoked
from sluice_common.settings import CommonSettings
from sluice_common.topics import PACKAGE_EVENTS

_log = structlog.get_logger()
_POLL_MS = 1_000
_READ_DEADLINE = 60.0
"""Seconds that reading what the topic holds may take; the supervisor then starts the gateway again."""


class RevokedImages:
    """The ids of revoked images.

    Args:
        settings: Where Kafka is.
    """

    def __init__(self, settings: CommonSettings) -> None:
        self._partitions = [TopicPartition(PACKAGE_EVENTS.name, n) for n in range(settings.partitions)]
        self._bootstrap = settings.kafka_bootstrap
        self._images: set[str] = set()
        self._reader: Any = None

    def __contains__(self, image_id: object) -> bool:
        """Return whether an image must not be handed out."""
        return image_id in self._images

    def take(self, message: object) -> None:
        """Note a message; all but revocations are ignored."""
        if isinstance(message, PackageRevoked):
            self._images.add(message.image_id)
            _log.warning("image_revoked", image_id=message.image_id, package_id=message.package_id)

    async def start(self) -> None:
        """Read what the topic holds now; nothing may be served before.

        Raises:
            TimeoutError: It took too long.
        """
        self._reader = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_POLL_MS,
        )
        await self._reader.start()
        self._reader.assign(self._partitions)
        async with asyncio.timeout(_READ_DEADLINE):
            await self._reader.seek_to_beginning(*self._partitions)
            ends: dict[TopicPartition, int] = await self._reader.end_offsets(self._partitions)
            while any([await self._reader.position(partition) < end for partition, end in ends.items()]):
                await self._poll()

    async def run(self) -> None:
        """Follow the topic until cancelled."""
        while True:
            await self._poll()

    async def stop(self) -> None:
        """Disconnect."""
        if self._reader is not None:
            await self._reader.stop()

    async def _poll(self) -> None:
        batches = await self._reader.getmany(timeout_ms=_POLL_MS)
        for record in [record for batch in batches.values() for record in batch]:
            try:
                self.take(DECODER.decode(record.value))
            except BrokenMessageError:
                continue  # the signing service buries it
