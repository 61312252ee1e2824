"""Feeds the commands of this gateway's partition to the devices and commits what is answered."""

import asyncio
from functools import partial

from sluice_common.messages.device_events import OutcomeStatus
from sluice_lwm2m.adapters.command_log import CommandLog, Numbered
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.domain.offsets import Offsets
from sluice_lwm2m.domain.replay import begun_again, closed_later, sent_before
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
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Connect."""
        self._offsets = Offsets(await self._log.start())

    async def stop(self) -> None:
        """Commit what is answered, and disconnect."""
        await self._log.commit(self._offsets.committable)
        await self._log.stop()

    async def idle(self) -> None:
        """Return when every command is answered."""
        await self._idle.wait()

    async def run(self) -> None:
        """Consume until cancelled; what a process before this one may have sent goes through `domain.replay`."""
        backlog = await self._log.backlog()
        commands = [numbered.command for numbered in backlog if numbered.command is not None]
        endings = dict.fromkeys(closed_later(commands), OutcomeStatus.STALE)
        endings |= dict.fromkeys(begun_again(commands), OutcomeStatus.DONE)
        endings |= dict.fromkeys(sent_before(commands, self._sessions.record), OutcomeStatus.ALREADY_SENT)
        for numbered in backlog:
            self._submit(numbered, endings)
        while True:
            if (room := self._max_records - len(self._offsets)) > 0:
                for numbered in await self._log.read(room):
                    self._submit(numbered, {})
            await asyncio.sleep(_GATHER)

    async def commit(self) -> None:
        """Commit now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._commit_interval)
            await self._log.commit(self._offsets.committable)

    def _submit(self, numbered: Numbered, endings: dict[str, OutcomeStatus]) -> None:
        self._offsets.begin(numbered.offset)
        if numbered.command is None:
            self._offsets.done(numbered.offset)
            return
        self._idle.clear()
        done = partial(self._done, numbered.offset)
        self._commands.submit(numbered.command, done, status=endings.get(numbered.command.command_id))

    def _done(self, offset: int) -> None:
        self._offsets.done(offset)
        if not self._offsets:
            self._idle.set()
