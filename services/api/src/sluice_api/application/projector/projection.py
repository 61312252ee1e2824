"""Kafka to MongoDB: what the scheduler, the gateways and signing decided, as users can query it.

Every batch is reduced to the newest snapshot of each execution, command and device, and written in bulk, guarded by
version: batches may come again. Executions are updated, not inserted: the relay has made their rows, so that nothing
brings back the executions of a deleted task. A row that is missing although its task is there (a database that was
restored) is made again from the snapshot.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from sluice_api.application.projector.news import WrittenNews, newest, news_of
from sluice_api.application.projector.ports import ProjectionStore
from sluice_api.application.projector.verification import Verification
from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceFirmwareChanged, ExecutionChanged
from sluice_common.messages.registrations import Registration

_log = structlog.get_logger()


class Projection:
    """Writes batches.

    Args:
        store: Where to.
        verification: Takes what signing found.
        last_seen_interval: Seconds by which a device's last-seen may lag.
    """

    def __init__(self, store: ProjectionStore, verification: Verification, last_seen_interval: float) -> None:
        self._store = store
        self._verification = verification
        self._written = WrittenNews(timedelta(seconds=last_seen_interval))
        self.changed_tasks: set[str] = set()
        """Tasks with changed executions; whoever counts them takes them out."""

    async def write(self, messages: Sequence[Any]) -> None:
        """Write a batch.

        Raises:
            PoisonError: A message can never be stored; the others may have been.
        """
        executions = newest([m for m in messages if isinstance(m, ExecutionChanged)], lambda s: s.execution_id)
        commands = newest([m for m in messages if isinstance(m, DeviceCommandChanged)], lambda s: s.command_id)
        of_devices = [m for m in messages if isinstance(m, ExecutionChanged | DeviceFirmwareChanged | Registration)]
        if executions:
            await self._write_executions(executions)
        if commands:
            await self._store.update_commands(commands.values())
        if of_devices:
            await self._write_devices(of_devices)
        for message in messages:
            if isinstance(message, DevicesSeen):
                await self._store.mark_seen(message.device_ids, message.occurred_at)
            await self._verification.take(message)

    async def _write_executions(self, executions: Mapping[str, ExecutionChanged]) -> None:
        if await self._store.update_executions(executions.values()) < len(executions):
            await self._restore(executions)
        self.changed_tasks |= {s.task_id for s in executions.values()}

    async def _restore(self, executions: Mapping[str, ExecutionChanged]) -> None:
        """Insert rows that are missing although their task is there."""
        known = await self._store.existing_executions(list(executions))
        missing = [s for key, s in executions.items() if key not in known]
        apps = await self._store.apps_of_tasks({s.task_id for s in missing})
        restored = [s for s in missing if apps.get(s.task_id) == s.app_id]
        if len(restored) < len(missing):
            _log.info("snapshots_of_deleted_tasks", count=len(missing) - len(restored))
        await self._store.insert_executions(restored)

    async def _write_devices(self, messages: Sequence[Any]) -> None:
        news = self._written.unwritten(news_of(messages))
        await self._store.update_devices(news)
        self._written.remember(news)
