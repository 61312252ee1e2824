"""Sees when the stage `devices` stands still though events wait: its process has to end and be started anew."""

import time
from collections.abc import Mapping

from sluice_common.errors import FatalError
from sluice_scheduler.application.devices.ports import Progress

LOOK_EVERY = 5.0
"""Seconds between two looks."""


class StalledError(FatalError):
    """This worker makes no progress, or is so late that another one may own its partitions by now."""


class StallDetector:
    """Compares figures from look to look.

    Args:
        limit: Seconds that a figure may stay the same.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._since: dict[str, tuple[int, float]] = {}

    def look(self, now: float, waiting: Mapping[str, int]) -> list[str]:
        """Return the figures that have stood still for too long, of those that should move on.

        Args:
            now: Seconds of a clock that never jumps.
            waiting: Where each figure stands behind which something waits; the others need not be named.
        """
        self._since = {
            name: known if (known := self._since.get(name)) and known[0] == figure else (figure, now)
            for name, figure in waiting.items()
        }
        return [name for name, (_, since) in self._since.items() if now - since > self._limit]


async def look_for_progress(progress: Progress, detector: StallDetector) -> None:
    """Look whether there is progress.

    Raises:
        StalledError: Something has waited for too long, and nothing happens.
    """
    if stuck := detector.look(time.monotonic(), await progress.waiting()):
        raise StalledError(f"no progress: {', '.join(stuck)}")
