"""How the windows of a process are used: figures for operators, by coverage class and never by cell but for a few."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sluice_common.messages.cell_requests import CellRequest
from sluice_common.messages.device_events import SlotGranted
from sluice_common.messages.slots import WindowKey
from sluice_rules.cells.admit import Admission
from sluice_rules.cells.window import Window

_TOP = 5
"""Windows that are named: each that ever was one of them is a time series for as long as Prometheus keeps it."""


class CellCounts:
    """Counts since the process has started, whichever shards it has had.

    Attributes:
        requests: Requests that were applied, by kind.
        grants: Grants that follow from them, by coverage class; one that is asked for again counts again.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.grants: Counter[str] = Counter()

    def note(self, request: CellRequest, admission: Admission) -> int:
        """Count a request; return the number of grants that follow from it."""
        self.requests[str(request.__struct_config__.tag)] += 1
        grants = sum(isinstance(event, SlotGranted) for event in admission.events)
        if grants:
            self.grants[request.window.coverage_class.value] += grants
        return grants


@dataclass(slots=True)
class Usage:
    """The windows of one coverage class.

    Attributes:
        windows: Those in which somebody holds or waits.
        held: Slots that are held.
        limit: Slots that there are.
        waiters: Attempts that wait.
        starved: Seconds for which that window has given no slot whose waiters have gone without for longest.
    """

    windows: int = 0
    held: int = 0
    limit: int = 0
    waiters: int = 0
    starved: float = 0.0


def usage_of(windows: Iterable[Window], without: Mapping[WindowKey, float], now: float) -> dict[str, Usage]:
    """Return the usage by coverage class.

    Args:
        windows: All of a process.
        without: Since when those with waiters have given no slot, in seconds of the clock of `now`.
        now: The time.
    """
    found: dict[str, Usage] = {}
    for window in windows:
        usage = found.setdefault(window.key.coverage_class.value, Usage())
        usage.windows += 1
        usage.held += len(window.holders)
        usage.limit += window.rules.limit
        usage.waiters += len(window.waiters)
        usage.starved = max(usage.starved, now - without.get(window.key, now))
    return found


def fullest_of(windows: Iterable[Window]) -> dict[tuple[str, str], float]:
    """Return the number of waiters of the few cell windows with the most, by cell and coverage class."""
    waiting = [w for w in windows if w.waiters and not w.key.network.startswith("task:")]
    top = heapq.nlargest(_TOP, waiting, key=lambda window: len(window.waiters))
    return {(window.key.cell_key, window.key.coverage_class.value): len(window.waiters) for window in top}
