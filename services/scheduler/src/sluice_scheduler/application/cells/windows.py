"""The windows of a shard in memory."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog

from sluice_common.errors import PoisonError
from sluice_common.messages.cell_requests import CellRequest
from sluice_common.messages.slots import CoverageClass, WindowKey
from sluice_rules.cells.admit import Admission, admit
from sluice_rules.cells.window import Entry, Holder, Ticket, Window, WindowRules, ticket_of
from sluice_scheduler.application.cells.usage import CellCounts

_log = structlog.get_logger()
RulesOf = Callable[[CoverageClass], WindowRules]
"""Returns the figures of the windows of a class."""


class Windows:
    """All windows in which somebody holds a slot or waits for one.

    Args:
        rules_of: Figures of the windows.
        counts: Counts what is applied.
        clock: Seconds of a clock that never jumps.
    """

    def __init__(self, rules_of: RulesOf, counts: CellCounts, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts = counts
        self._clock = clock
        self._without: dict[WindowKey, float] = {}
        self._rules_of = rules_of
        self._windows: dict[WindowKey, Window] = {}

    def restore(self, stored: Mapping[WindowKey, Mapping[Ticket, Entry]]) -> None:
        """Take windows over as they were stored."""
        for key, entries in stored.items():
            if entries:
                window = self._windows[key] = Window(key, self._rules_of(key.coverage_class), entries)
                if window.waiters:
                    self._without[key] = self._clock()

    def holders(self) -> Iterator[tuple[WindowKey, Holder]]:
        """Yield everybody who holds a slot."""
        for key, window in self._windows.items():
            for holder in window.holders.values():
                yield key, holder

    def holds(self, key: WindowKey, holder: Holder) -> bool:
        """Return whether a window has exactly this holder, with this deadline."""
        window = self._windows.get(key)
        return window is not None and window.holders.get(ticket_of(holder.grant)) == holder

    def counts(self) -> dict[str, int]:
        """Return how many windows, holders and waiters there are, as keywords of a log event."""
        windows = self._windows.values()
        return {
            "windows": len(windows),
            "holders": sum(len(window.holders) for window in windows),
            "waiters": sum(len(window.waiters) for window in windows),
        }

    def all(self) -> Iterable[Window]:
        """Return all windows."""
        return self._windows.values()

    def without_grant(self) -> Mapping[WindowKey, float]:
        """Return since when windows with waiters have given no slot, in seconds of the clock."""
        return self._without

    def admit(self, request: CellRequest) -> Admission:
        """Apply a request to its window.

        Raises:
            PoisonError: The rules cannot bear it; the window is as it was.
        """
        key = request.window
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(key, self._rules_of(key.coverage_class))
        try:
            admission = admit(window, request)
        except Exception as error:
            _log.exception("admit_failed", cell=key.cell_key)
            window = self._windows[key] = window.as_last_taken()
            raise PoisonError(f"{type(error).__name__}: {error}") from error
        else:
            self._note(window, request, admission)
            return admission
        finally:
            if window.is_empty:
                del self._windows[key]

    def _note(self, window: Window, request: CellRequest, admission: Admission) -> None:
        """Count, and note since when who waits has gone without."""
        grants = self._counts.note(request, admission)
        if not window.waiters:
            self._without.pop(window.key, None)
        elif grants or window.key not in self._without:
            self._without[window.key] = self._clock()
