"""Wires the verification service together."""

import asyncio
from collections.abc import Sequence

from sluice_common.bus import Consumer, Producer, Received
from sluice_common.messages.base import now
from sluice_common.messages.package_events import PackageUploaded
from sluice_common.mongo import connect
from sluice_common.topics import PACKAGE_EVENTS
from sluice_signing.adapters.store import PackageStore, publish_tool
from sluice_signing.adapters.verifier import ProcessVerifier
from sluice_signing.application.uploads import Uploads
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.settings import SigningSettings

GROUP = "signing"
"""Consumer group: several instances share the packages."""


class SigningService:
    """Consumes uploads from `package-events` and answers there."""

    def __init__(self, settings: SigningSettings) -> None:
        self._producer = Producer(settings)
        self._database = connect(settings)
        self._store = PackageStore(self._database, PackageLimits())
        self._uploads = Uploads(
            self._store,
            ProcessVerifier(memory_bytes=settings.signing_memory_bytes, time_limit=settings.signing_time_limit),
            work_folder=settings.signing_work_folder,
            clock=now,
        )
        # One at a time: each may take minutes, and Kafka expects a poll every five.
        self._consumer = Consumer(settings, [PACKAGE_EVENTS], GROUP, self._handle, self._producer, max_records=1)

    async def start(self) -> None:
        """Connect and join the group."""
        await self._store.prepare()
        await self._producer.start()
        await self._consumer.start()

    async def run(self) -> None:
        """Offer the tool for download, and answer uploads until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(publish_tool(self._database))
            await self._consumer.run()

    async def stop(self) -> None:
        """Leave the group and disconnect."""
        await self._consumer.stop()
        await self._producer.stop()
        self._database.client.close()

    async def _handle(self, batch: Sequence[Received]) -> None:
        for received in batch:
            if isinstance(received.message, PackageUploaded):
                upload = received.message
                answer = await self._uploads.answer(upload)
                await self._producer.publish(PACKAGE_EVENTS, upload.package_id, answer)
