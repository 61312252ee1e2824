"""How many registrations of one source may be refused: a leaky bucket per source.

Leaves out what a source is. Any number of devices may share one (address translation), so that a bucket that is full
says nothing against a device that is known.
"""

from collections import OrderedDict

_BURST = 10.0
"""Seconds whose refusals a bucket holds."""
_MAX_SOURCES = 10_000
"""Sources that are remembered; one more drops the one whose last refusal is the oldest."""


class RefusalLimit:
    """The refusals of the last seconds, by source."""

    def __init__(self, per_second: float) -> None:
        """Prepare.

        Args:
            per_second: Refusals that a bucket loses per second; it is full with ten times as many.
        """
        self._per_second = per_second
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # level and when; the oldest is first

    def is_reached(self, source: str, now: float, pending: int = 0) -> bool:
        """Return whether a source has no refusal left, if all that is pending were refused."""
        return self._level(source, now) + pending >= self._per_second * _BURST

    def note(self, source: str, now: float) -> None:
        """Count a refusal."""
        self._levels[source] = self._level(source, now) + 1, now
        self._levels.move_to_end(source)
        if len(self._levels) > _MAX_SOURCES:
            self._levels.popitem(last=False)

    def _level(self, source: str, now: float) -> float:
        level, at = self._levels.get(source, (0.0, now))
        return max(0.0, level - max(0.0, now - at) * self._per_second)
