"""Kafka to MongoDB: executions that have not ended, device commands, and what is new of devices.

It is read apart from the ends of executions (`Projection`), which are few, must be shown at once, and alone are
counted. Every batch is reduced to the newest of each execution, command and device; the more behind it is, the less
there is to write. A row that has ended has a newer version than all that comes here, and stays as it is.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sluice_api.application.projector.news import WrittenNews, is_told_by_the_clock, newest, news_of
from sluice_api.application.projector.ports import DetailStore
from sluice_api.application.projector.rows import newest_executions, restore
from sluice_common.bus import Received
from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceFirmwareChanged, ExecutionChanged
from sluice_common.messages.registrations import Registration


class Details:
    """Writes batches.

    Args:
        store: Where to.
        last_seen_interval: Seconds by which a device's last-seen may lag.
    """

    def __init__(self, store: DetailStore, last_seen_interval: float) -> None:
        self._store = store
        self._written = WrittenNews(timedelta(seconds=last_seen_interval))

    def forget(self) -> None:
        """Take nothing for written: for when partitions are assigned, which another process may have had."""
        self._written.forget()

    async def write(self, batch: Sequence[Received]) -> None:
        """Write a batch; the same again is harmless.

        Raises:
            PoisonError: A message can never be stored; the others may have been.
        """
        messages = [received.message for received in batch]
        going_on = [r for r in batch if isinstance(r.message, ExecutionChanged) and not r.message.status.is_final]
        commands = newest([m for m in messages if isinstance(m, DeviceCommandChanged)], lambda s: s.command_id)
        of_devices = [m for m in messages if isinstance(m, ExecutionChanged | DeviceFirmwareChanged | Registration)]
        if commands:
            await self._store.update_commands(commands.values())
        if going_on:
            await self._write_steps(going_on)
        if of_devices:
            await self._write_devices(of_devices)
        for message in messages:
            if isinstance(message, DevicesSeen):
                await self._store.mark_seen(message.device_ids, message.occurred_at)

    async def _write_steps(self, batch: Sequence[Received]) -> None:
        arrived = newest_executions(batch)
        rows = await self._store.rows([a.snapshot.execution_id for a in arrived])
        known = [(a.snapshot, rows[a.snapshot.execution_id]) for a in arrived if a.snapshot.execution_id in rows]
        newer = [s for s, row in known if s.version > row.version and not is_told_by_the_clock(s, row)]
        await self._store.update_steps(newer)
        await restore(self._store, [a for a in arrived if a.snapshot.execution_id not in rows])

    async def _write_devices(self, messages: Sequence[Any]) -> None:
        # Ends too, whose versions the projection has written: an older one may have been written here after that.
        news = self._written.unwritten(news_of(messages))
        await self._store.update_devices(news)
        self._written.remember(news)
