"""Feeds the commands of this gateway's partition to the devices and commits what is answered."""

import asyncio
from collections.abc import Mapping
from functools import partial

from sluice_common.messages.device_events import OutcomeStatus
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.application.ports import CommandLog, ReceivedCommand
from sluice_lwm2m.domain.offsets import Offsets
from sluice_lwm2m.domain.replay import outcomes_known_before
from sluice_lwm2m.domain.sessions import Sessions

_GATHER = 0.03
"""Seconds between reads, so that each brings more: a read costs more than a command."""


class CommandConsumer:
    """One partition, read on from where everything before is answered."""

    def __init__(
        self, log: CommandLog, commands: DeviceCommands, sessions: Sessions, *, max_records: int, commit_interval: float
    ) -> None:
        self._log = log
        self._commands = commands
        self._sessions = sessions
        self._max_records = max_records
        self._commit_interval = commit_interval
        self._offsets = Offsets(0)

    async def start(self) -> None:
        """Connect."""
        self._offsets = Offsets(await self._log.start())

    async def stop(self) -> None:
        """Commit what is answered, and disconnect."""
        try:
            await self._log.commit(self._offsets.committable)
        finally:
            await self._log.stop()

    async def run(self) -> None:
        """Consume until cancelled; what a process before this one may have sent is not sent again (`domain.replay`)."""
        backlog = await self._log.backlog()
        commands = [received.command for received in backlog if received.command is not None]
        outcomes = outcomes_known_before(commands, self._sessions.record)
        for received in backlog:
            self._submit(received, outcomes)
        while True:
            room = self._max_records - len(self._offsets)
            arrived = await self._log.read(room) if room > 0 else []
            for received in arrived:
                self._submit(received, {})
            if arrived or room <= 0:  # a read that found nothing has waited long enough
                await asyncio.sleep(_GATHER)

    async def commit(self) -> None:
        """Commit at the interval, until cancelled."""
        while True:
            await asyncio.sleep(self._commit_interval)
            await self._log.commit(self._offsets.committable)

    def _submit(self, received: ReceivedCommand, outcomes: Mapping[str, OutcomeStatus]) -> None:
        self._offsets.begin(received.offset)
        if received.command is None:
            self._offsets.done(received.offset)
            return
        on_answered = partial(self._offsets.done, received.offset)
        self._commands.submit(received.command, on_answered, status=outcomes.get(received.command.command_id))
