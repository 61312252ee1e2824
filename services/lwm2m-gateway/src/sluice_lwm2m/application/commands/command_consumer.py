"""Feeds the commands of this gateway's partition to the devices and commits what is answered."""

import asyncio
from collections import deque
from collections.abc import Mapping
from functools import partial

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.supervision import note_failure
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.application.ports import CommandLog, ReceivedCommand
from sluice_lwm2m.domain.offsets import Offsets
from sluice_lwm2m.domain.replay import outcomes_known_before
from sluice_lwm2m.domain.sessions import Sessions

_GATHER = 0.03
"""Seconds between reads, so that each brings more: a read costs more than a command."""
_STOP_TIMEOUT = 5.0
"""Seconds for the last commit: what is not committed is read again."""


class CommandConsumer:
    """One partition, read on from where everything before is answered."""

    def __init__(self, log: CommandLog, commands: DeviceCommands, sessions: Sessions, *, max_records: int) -> None:
        self._log = log
        self._commands = commands
        self._sessions = sessions
        self._max_records = max_records
        self._offsets = Offsets(0)
        self._has_backlog = False
        self._backlog: deque[ReceivedCommand] = deque()
        self._known_before: Mapping[str, OutcomeStatus] = {}

    async def start(self) -> None:
        """Connect."""
        self._offsets = Offsets(await self._log.start())

    async def stop(self) -> None:
        """Commit what is answered, and disconnect."""
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await self.commit()
        except Exception as error:  # noqa: BLE001 - it is read again
            note_failure("commands_not_committed", error)
        finally:
            await self._log.stop()

    async def take_backlog(self) -> None:
        """Read what is there at the start: what may have been sent before is not sent again (`replay`)."""
        self._backlog = deque(await self._log.backlog())
        commands = [received.command for received in self._backlog if received.command is not None]
        self._known_before = outcomes_known_before(commands, self._sessions.record)
        self._has_backlog = True

    @property
    def done(self) -> int:
        """Return the offset up to which all commands are answered."""
        return self._offsets.committable

    def missing(self) -> str | None:
        """Return what is waited for before commands are taken; None if they are."""
        return None if self._has_backlog else "the commands before the restart are not read yet"

    async def take_next(self) -> None:
        """Take the next commands, those of the backlog first, as many as may be worked on at once."""
        room = self._max_records - len(self._offsets)
        if self._backlog:
            arrived = [self._backlog.popleft() for _ in range(min(room, len(self._backlog)))]
        else:
            self._known_before = {}
            arrived = await self._log.read(room) if room > 0 else []
        for received in arrived:
            self._submit(received)
        if arrived or room <= 0:  # a read that found nothing has waited long enough
            await asyncio.sleep(_GATHER)

    async def commit(self) -> None:
        """Commit what is answered."""
        await self._log.commit(self._offsets.committable)

    def _submit(self, received: ReceivedCommand) -> None:
        command, offset = received.command, received.offset
        self._offsets.begin(offset)
        if command is None:
            self._offsets.done(offset)
            return
        status = self._known_before.get(command.command_id)
        try:
            self._commands.submit(command, partial(self._offsets.done, offset), status=status)
        except Exception as error:  # noqa: BLE001 - one command that cannot be taken holds up no other
            note_failure("command_not_taken", error, device_id=command.device_id, command_id=command.command_id)
            self._offsets.done(offset)
