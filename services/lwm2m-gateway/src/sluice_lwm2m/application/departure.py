"""The end of a gateway in good order: no new devices and commands, while what is under way ends.

1. Registrations are left unanswered (`RegistrationInterface.take_no_new`), and no command is taken from Kafka any more.
2. Downloads that are under way go on, until the last block was sent, the device is silent, or their time is over. A
   device whose download is not over asks the next process for the same block, and gets it.
3. Commands in flight are answered; what is not, is not committed, and the next process begins there
   (`sluice_lwm2m.domain.replay`).

Everything else goes on meanwhile: updates, notifications, revocations.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
_SILENT = 30.0
"""Seconds without a request after which a download is not under way: the retransmissions of a weak radio fit in."""
_LOOK_INTERVAL = 0.1


class Departure:
    """Waits for what is under way."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        take_no_new: Callable[[], None],
        commands_answered: Callable[[], Coroutine[Any, Any, None]],
        downloads_end: float,
        commands_end: float,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            sessions: The devices.
            take_no_new: Has registrations left unanswered.
            commands_answered: Returns when no command is in flight.
            downloads_end: Seconds that downloads may take to end.
            commands_end: Seconds that commands may take after that.
            clock: Seconds since 1970.
        """
        self._sessions = sessions
        self._take_no_new = take_no_new
        self._commands_answered = commands_answered
        self._downloads_end = downloads_end
        self._commands_end = commands_end
        self._clock = clock

    async def wait(self) -> None:
        """Return when downloads and commands have ended, or their time is over."""
        self._take_no_new()
        began = asyncio.get_running_loop().time()
        _log.info("gateway_drains", downloads=self._downloads())
        await _within(self._downloads_end, self._until_no_download())
        await _within(self._commands_end, self._commands_answered())
        took = asyncio.get_running_loop().time() - began
        _log.info("gateway_drained", downloads=self._downloads(), seconds=round(took, 3))

    def _downloads(self) -> int:
        return self._sessions.downloading(self._clock() - _SILENT)

    async def _until_no_download(self) -> None:
        while self._downloads():  # noqa: ASYNC110 - a block must not cost an event, which nobody awaits but here
            await asyncio.sleep(_LOOK_INTERVAL)


async def _within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work
