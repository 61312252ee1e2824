"""When events may be fetched, and whether each that was fetched is taken."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from faust.types import TP

from sluice_common.errors import FatalError


class Rebalances:
    """Which rebalance is over, of those that have begun.

    Faust says only whether one is under way, and says that none is when the end of one meets the begin of the next: a
    second worker that joins while the first one takes over. What is fetched then may be dropped.
    """

    def __init__(self) -> None:
        self._assigned = 0
        self._recovered = 0
        self._settled = 0

    def assigned(self, begun: int) -> None:
        """Note that the newest rebalance, of so many that have begun, has assigned partitions."""
        self._assigned = begun

    def recovered(self) -> None:
        """Note that the records of the partitions that were assigned last have been recovered."""
        self._recovered = self._assigned

    def ended(self) -> None:
        """Note that Faust has sought the committed offsets and emptied its queues, for those partitions."""
        self._settled = self._recovered

    def are_over(self, begun: int) -> bool:
        """Return whether the newest of so many that have begun is over."""
        return self._settled == begun


class SkippedEventError(FatalError):
    """An event was fetched and never handed over: this process must begin again at what has been committed."""


class EventOrder:
    """Compares the order in which events are taken with the one in which they were fetched, to find a hole.

    Faust drops what it has fetched in several places, and relies on a seek that follows. Where none follows, an event
    is lost for good, and nobody sees it: the ones behind it are decided on.
    """

    def __init__(self) -> None:
        self._fetched: dict[TP, int] = {}
        self._taken: dict[TP, int] = {}
        self._before: defaultdict[TP, dict[int, int]] = defaultdict(dict)

    def sought(self, committed: Mapping[TP, int]) -> None:
        """Begin anew at the committed offsets of partitions; what was fetched before may be dropped."""
        for tp, offset in committed.items():
            self._fetched[tp] = self._taken[tp] = offset - 1
            self._before[tp].clear()

    def fetched(self, tp: TP, offsets: Iterable[int]) -> None:
        """Note events of a partition that have been fetched; there may be offsets between them that hold none.

        What is fetched twice without a seek is known already.
        """
        for offset in offsets:
            last = self._fetched.get(tp, offset - 1)
            if offset > last:
                self._before[tp][offset] = last
                self._fetched[tp] = offset

    def may_take(self, tp: TP, offset: int) -> bool:
        """Note that an event is taken; return False for one that was fetched before the last seek, as it comes again.

        Raises:
            SkippedEventError: One that was fetched before it, since the last seek, was not taken.
        """
        before = self._before[tp].pop(offset, None)
        if before is None:
            return False
        if before > (taken := self._taken.get(tp, before)):
            raise SkippedEventError(f"after offset {taken} of partition {tp.partition} came {offset}, not {before}")
        self._taken[tp] = offset
        return True
