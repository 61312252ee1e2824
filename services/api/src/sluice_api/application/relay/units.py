"""Work for many units, tasks or keys, of which each fails alone."""

import asyncio
from collections.abc import Awaitable, Callable

from sluice_common.supervision import Backoff, is_fatal, note_failure

_BACKOFF = Backoff(first=1.0, longest=10.0)
_MAX_REMEMBERED = 10_000


class Units:
    """Gives each unit its turn; one that fails is told and counted, and left out until its back-off has passed.

    Args:
        event: Logged when a unit fails.
        id_name: What its id is called in the log.
    """

    def __init__(self, event: str, id_name: str) -> None:
        self._event = event
        self._id_name = id_name
        self._failures: dict[str, tuple[int, float]] = {}

    async def attempt(self, unit: str, work: Callable[[], Awaitable[object]]) -> bool:
        """Work for a unit unless its back-off lasts; return whether that was done.

        Raises:
            FatalError: As the work raised it.
        """
        failures, until = self._failures.get(unit, (0, 0.0))
        if asyncio.get_running_loop().time() < until:
            return False
        try:
            await work()
        except Exception as error:
            if is_fatal(error):
                raise
            note_failure(self._event, error, **{self._id_name: unit})
            self._remember(unit, failures + 1)
            return False
        self._failures.pop(unit, None)
        return True

    def _remember(self, unit: str, failures: int) -> None:
        self._failures.pop(unit, None)
        if len(self._failures) >= _MAX_REMEMBERED:
            self._failures.pop(next(iter(self._failures)))
        self._failures[unit] = (failures, asyncio.get_running_loop().time() + _BACKOFF.delay(failures))
