"""Kafka to MongoDB: the steps of executions that go on, device commands, and what is new of devices.

It is read apart from the changes of status (`Projection`), which are few and must be shown at once, and which alone are
counted: nothing here changes a status. Every batch is reduced to the newest of each execution, command and device; the
more behind it is, the less there is to write.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sluice_api.application.counting import Row, is_told_by_the_clock
from sluice_api.application.projector.news import WrittenNews, newest, news_of
from sluice_api.application.projector.ports import DetailStore
from sluice_api.application.projector.precedence import Precedence
from sluice_common.bus import Received
from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceFirmwareChanged, ExecutionChanged
from sluice_common.messages.registrations import Registration

_PATIENCE: Final = 10.0
"""Seconds to wait for a status to be written; a snapshot that is still ahead of it then is left to the next one."""
_LOOK: Final = 0.2
"""Seconds between looks."""
_AT_ONCE: Final = 40
"""Documents that are written before it is looked whether something else goes first."""


class Details:
    """Writes batches.

    Args:
        store: Where to.
        precedence: Changes of status go first.
        last_seen_interval: Seconds by which a device's last-seen may lag.
    """

    def __init__(self, store: DetailStore, precedence: Precedence, last_seen_interval: float) -> None:
        self._store = store
        self._precedence = precedence
        self._written = WrittenNews(timedelta(seconds=last_seen_interval))

    async def write(self, batch: Sequence[Received]) -> None:
        """Write a batch; the same again is harmless.

        Raises:
            PoisonError: A message can never be stored; the others may have been.
        """
        messages = [received.message for received in batch]
        steps = newest([m for m in messages if isinstance(m, ExecutionChanged)], lambda s: s.execution_id)
        commands = newest([m for m in messages if isinstance(m, DeviceCommandChanged)], lambda s: s.command_id)
        of_devices = [m for m in messages if isinstance(m, ExecutionChanged | DeviceFirmwareChanged | Registration)]
        if commands:
            await self._store.update_commands(commands.values())
        if steps:
            await self._write_steps(steps)
        if of_devices:
            await self._write_devices(of_devices)
        for message in messages:
            if isinstance(message, DevicesSeen):
                await self._store.mark_seen(message.device_ids, message.occurred_at)

    async def _write_steps(self, snapshots: Mapping[str, ExecutionChanged]) -> None:
        going_on = {name: snapshot for name, snapshot in snapshots.items() if not snapshot.status.is_final}
        rows = await self._rows_in_status(going_on)
        newer = [going_on[name] for name, row in rows.items() if _is_newer(going_on[name], row)]
        wanted = [snapshot for snapshot in newer if snapshot.status is rows[snapshot.execution_id].status]
        for first in range(0, len(wanted), _AT_ONCE):
            await self._precedence.second()
            await self._store.update_steps(wanted[first : first + _AT_ONCE])

    async def _rows_in_status(self, snapshots: Mapping[str, ExecutionChanged]) -> dict[str, Row]:
        """Return the rows, as soon as none of them is in an earlier status than its snapshot."""
        rows = dict(await self._store.rows(list(snapshots)))
        until = time.monotonic() + _PATIENCE
        while (behind := [name for name, row in rows.items() if _is_ahead(snapshots[name], row)]) and (
            time.monotonic() < until
        ):
            await asyncio.sleep(_LOOK)
            rows |= await self._store.rows(behind)
        return rows

    async def _write_devices(self, messages: Sequence[Any]) -> None:
        news = self._written.unwritten(news_of(messages))
        devices = list(news)
        for first in range(0, len(devices), _AT_ONCE):
            await self._precedence.second()
            await self._store.update_devices({d: news[d] for d in devices[first : first + _AT_ONCE]})
        self._written.remember(news)


def _is_newer(snapshot: ExecutionChanged, row: Row) -> bool:
    return snapshot.version > row.version and not is_told_by_the_clock(snapshot, row)


def _is_ahead(snapshot: ExecutionChanged, row: Row) -> bool:
    """Return whether the status of a snapshot is still to be written."""
    return _is_newer(snapshot, row) and snapshot.status is not row.status
