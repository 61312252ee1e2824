"""Wires the verification service together; `library` does so for the offline tool."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile, gettempdir

from sluice_common.background import BackgroundTasks
from sluice_common.bus import BatchHandler, Consumer, Producer
from sluice_common.messages.base import now
from sluice_common.mongo import Database
from sluice_common.resources import started
from sluice_common.supervision import persist, supervised
from sluice_common.topics import PACKAGE_EVENTS
from sluice_signing import metrics
from sluice_signing.adapters.answers import KafkaAnswers
from sluice_signing.adapters.store import PackageStore, publish_tool
from sluice_signing.adapters.verifier import ProcessVerifier
from sluice_signing.application.upload_queue import UploadQueue
from sluice_signing.application.uploads import Uploads
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.settings import SigningSettings

GROUP = "signing"
"""Consumer group: several instances share the packages."""


class SigningService:
    """Consumes uploads from `package-events` and answers there."""

    def __init__(self, settings: SigningSettings, database: Database) -> None:
        self._producer = Producer(settings)
        self._database = database
        self._store = PackageStore(database, PackageLimits())
        free_bytes = partial(_free_bytes, settings.signing_work_folder)
        uploads = Uploads(
            self._store,
            ProcessVerifier(memory_bytes=settings.signing_memory_bytes, time_limit=settings.signing_time_limit),
            KafkaAnswers(self._producer),
            temporary_file=lambda: TemporaryFile(dir=settings.signing_work_folder),  # noqa: SIM115 - closed by its user
            free_bytes=free_bytes,
            clock=now,
            on_answer=metrics.VERIFICATION.observe,
        )
        metrics.export(uploads)
        self._tasks = BackgroundTasks()
        queue = UploadQueue(
            BatchHandler(uploads.handle, self._producer).handle,
            self._tasks,
            concurrency=settings.signing_concurrency,
            of_app=settings.signing_app_concurrency,
            free_bytes=free_bytes,
        )
        self._consumer = Consumer(settings, [PACKAGE_EVENTS], GROUP, queue.handle, self._producer)

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Offer the tool for download, and answer uploads until cancelled.

        Args:
            on_ready: Called when uploads are consumed.

        Raises:
            KafkaError: Kafka cannot be reached at the start.
            PyMongoError: MongoDB cannot be reached at the start.
            ExceptionGroup: With what ended it later.
        """
        await self._store.prepare()
        async with started(self._producer), started(self._consumer), self._tasks, supervised() as work:
            work.passing(persist("tool_not_published", partial(publish_tool, self._database)))
            on_ready()
            await self._consumer.run()


def _free_bytes(folder: Path | None) -> int:
    return shutil.disk_usage(folder or gettempdir()).free
