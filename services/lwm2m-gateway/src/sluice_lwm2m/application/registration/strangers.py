"""What strangers may cost: a name that is not known takes a look-up in the database, and anybody can send one.

Beyond a number of refused names per address and port, and of more per IP address, names that were not found before get
4.29 (RFC 8516) and are not looked up. Devices that are known go on: they may share the IP address, and by address
translation the port, with whoever floods. What is malformed takes no look-up and counts for nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter

from sluice_lwm2m.application.ports import DeviceDirectory
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.refusal_limit import RefusalLimit


class Strangers:
    """Limits registrations of unknown endpoint client names by their source."""

    def __init__(
        self,
        *,
        directory: DeviceDirectory,
        per_address: RefusalLimit,
        per_host: RefusalLimit,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._limits = ((per_address, attrgetter("text")), (per_host, attrgetter("network")))
        self._counters = counters
        self._clock = clock
        self._pending: Counter[str] = Counter()

    def check(self, endpoint: str, remote: Peer) -> None:
        """Return if a registration may be looked up.

        Raises:
            CoapError: 4.29; without Max-Age, which is 60 s then (RFC 7252 §5.10.5).
        """
        now = self._clock()
        is_reached = any(
            limit.is_reached(source(remote), now, self._pending[source(remote)]) for limit, source in self._limits
        )
        if is_reached and not self._directory.was_found(endpoint):
            self._counters[Counted.LIMITED] += 1
            raise CoapError(coap.TOO_MANY_REQUESTS, "too many unknown devices from this address")

    @contextmanager
    def pending(self, endpoint: str, remote: Peer) -> Iterator[None]:
        """Count a name that was not found before among those of its source while the block looks it up.

        Until then nobody knows that it will be refused: a flood comes sooner than the first answer of the database.
        """
        sources = [] if self._directory.was_found(endpoint) else [source(remote) for _, source in self._limits]
        self._pending.update(sources)
        try:
            yield
        finally:
            self._pending.subtract(sources)
            for source in sources:
                if not self._pending[source]:
                    del self._pending[source]

    def note_unknown(self, remote: Peer) -> None:
        """Count a name that was looked up and not found."""
        for limit, source in self._limits:
            limit.note(source(remote), self._clock())
