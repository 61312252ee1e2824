"""What strangers may cost: a name that is not known takes a look-up in the database, and anybody can send one.

Beyond a number of refused registrations per source, names that were not found before get 4.29 (RFC 8516) and are not
looked up. Devices that are known go on: they may share the source with whoever floods (address translation).
"""

from collections.abc import Callable

from sluice_lwm2m.application.ports import DeviceDirectory
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address, source_of
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.refusal_limit import RefusalLimit


class Strangers:
    """Limits registrations of unknown endpoint client names by source."""

    def __init__(
        self, *, directory: DeviceDirectory, limit: RefusalLimit, counters: Counters, clock: Callable[[], float]
    ) -> None:
        self._directory = directory
        self._limit = limit
        self._counters = counters
        self._clock = clock

    def check(self, endpoint: str, remote: Address) -> None:
        """Return if a registration may be looked up.

        Raises:
            CoapError: 4.29; without Max-Age, which is 60 s then (RFC 7252 §5.10.5).
        """
        if self._limit.is_reached(source_of(remote), self._clock()) and not self._directory.was_found(endpoint):
            self._counters[Counted.LIMITED] += 1
            raise CoapError(coap.TOO_MANY_REQUESTS, "too many refused registrations from this address")

    def note_refused(self, remote: Address) -> None:
        """Count a registration that was refused, whatever for."""
        self._limit.note(source_of(remote), self._clock())
