"""Which process has which ordinal: of all claims in the log of an ordinal, the one with the highest number counts.

A process claims an ordinal by a number above all that it has read, and reads the log again. Two that have read the same
write the same number: the later one in the log counts, as it does for Kafka's compaction. A number that is lower when
it comes, since its writer had been held up, counts for nobody; whoever wrote it finds the higher one and ends. The
holder writes its own again then: Kafka keeps the last one.
"""

from collections.abc import Iterable

from sluice_common.messages.base import utc
from sluice_common.messages.gateway_claims import GatewayClaim


class Claims:
    """The claims that count, by ordinal."""

    def __init__(self) -> None:
        self._newest: dict[int, GatewayClaim] = {}
        self._last: dict[int, str] = {}

    def see(self, claim: GatewayClaim) -> None:
        """Take the next claim of the log of its ordinal."""
        self._last[claim.gateway] = claim.process
        newest = self._newest.get(claim.gateway)
        if newest is None or claim.incarnation >= newest.incarnation:
            self._newest[claim.gateway] = claim

    def newest(self, gateway: int) -> GatewayClaim | None:
        """Return the claim of an ordinal that counts; None if nobody ever had it."""
        return self._newest.get(gateway)

    def all(self) -> Iterable[GatewayClaim]:
        """Return the claims of all ordinals that anybody ever had."""
        return self._newest.values()

    def next(self, gateway: int, process: str, now: float) -> GatewayClaim:
        """Return the claim with which a process begins."""
        newest = self._newest.get(gateway)
        incarnation = 1 if newest is None else newest.incarnation + 1
        return GatewayClaim(app_id="", occurred_at=utc(now), gateway=gateway, incarnation=incarnation, process=process)

    def taker(self, own: GatewayClaim) -> GatewayClaim | None:
        """Return the claim of the process that has taken an ordinal from its holder; None if nobody has."""
        newest = self._newest.get(own.gateway)
        return None if newest is None or newest.process == own.process else newest

    def is_last(self, own: GatewayClaim) -> bool:
        """Return whether the last claim of an ordinal, which Kafka keeps, is of its holder."""
        return self._last.get(own.gateway) == own.process
