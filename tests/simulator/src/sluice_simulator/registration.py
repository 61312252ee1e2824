"""A device's registration: register, update, start over (OMA TS 1.1.1 §6.2)."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from sluice_simulator import encodings
from sluice_simulator import packet as coap
from sluice_simulator.dice import Dice
from sluice_simulator.fleet import DeviceSpec, Tuning
from sluice_simulator.packet import Option, Packet

_BACKOFF_DOUBLINGS: Final = 5

_LINKS: Final = '</>;rt="oma.lwm2m"{formats},</1/0>,</3/0>,</4/0>,</5/0>'


class Registrant(Protocol):
    """What a registration needs of its device."""

    def send(
        self,
        code: int,
        options: list[Option],
        payload: bytes,
        done: Callable[[Packet | None], None],
    ) -> None:
        """Send a request to the server."""

    def registered(self) -> None:
        """The server knows the device now."""

    def may_report(self) -> bool:
        """A report is due: wake up; False if the device does something else now."""


class Registration:
    """The registration of one device.

    Args:
        loop: Runs the intervals.
        spec: Names the endpoint, its dialect and rhythm.
        tuning: Lifetime and first wait after a refusal.
        dice: Varies the intervals.
        registrant: The device.

    Attributes:
        lifetime: `lt` and `/1/0/1`, seconds.
        location: Path at the server; None while it has none.
        count: Successful registrations so far.
    """

    __slots__ = (
        "_dice",
        "_failures",
        "_loop",
        "_registrant",
        "_spec",
        "_timer",
        "_tuning",
        "count",
        "lifetime",
        "location",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spec: DeviceSpec,
        tuning: Tuning,
        dice: Dice,
        registrant: Registrant,
    ) -> None:
        self._loop = loop
        self._spec = spec
        self._tuning = tuning
        self._dice = dice
        self._registrant = registrant
        self._timer: asyncio.TimerHandle | None = None
        self._failures = 0
        self.lifetime = tuning.lifetime
        self.location: str | None = None
        self.count = 0

    def register(self) -> None:
        """Register; goes on trying with growing intervals until it succeeds."""
        options: list[Option] = [
            *coap.path_options("/rd"),
            (coap.CONTENT_FORMAT, coap.uint_bytes(encodings.LINK_FORMAT)),
            *((coap.URI_QUERY, argument.encode()) for argument in self._query()),
        ]
        self._registrant.send(coap.POST, options, self._links(), self._registered)

    def report(self) -> None:
        """Update the registration: the regular sign of life."""
        if not self._registrant.may_report():
            return
        if self.location is None:
            self.register()
        else:
            options = coap.path_options(self.location)
            self._registrant.send(coap.POST, options, b"", self._reported)

    def deregister(self) -> None:
        """Take leave, without waiting for the answer."""
        if self.location is not None:
            options = coap.path_options(self.location)
            self._registrant.send(coap.DELETE, options, b"", lambda _: None)
        self.stop()

    def stop(self) -> None:
        """Forget the registration, as at a loss of power."""
        self.location = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _query(self) -> list[str]:
        version = self._spec.dialect.lwm2m
        query = [f"ep={self._spec.endpoint}", f"lt={self.lifetime}", f"lwm2m={version}"]
        queue_mode = self._spec.rhythm.awake_seconds is not None
        if version == "1.0":
            return [*query, "b=UQ" if queue_mode else "b=U"]
        # OMA TS 1.1.1 §6.2.1.2: queue mode is a parameter of its own.
        return [*query, "b=U", "Q"] if queue_mode else [*query, "b=U"]

    def _links(self) -> bytes:
        """1.1 clients say which content format they prefer (OMA TS 1.1.1 §6.2.1.2)."""
        dialect = self._spec.dialect
        formats = f";ct={dialect.instance}" if dialect.lwm2m == "1.1" else ""
        return _LINKS.format(formats=formats).encode()

    def _registered(self, response: Packet | None) -> None:
        if response is None or response.code != coap.CREATED:
            wait = self._tuning.register_retry * 2**self._failures
            self._failures = min(self._failures + 1, _BACKOFF_DOUBLINGS)
            self._in(wait * self._dice.between(1.0, 1.5), self.register)
            return
        self._failures = 0
        self.location = "/" + "/".join(response.texts(coap.LOCATION_PATH))
        self.count += 1
        self._report_later()
        self._registrant.registered()

    def _reported(self, response: Packet | None) -> None:
        if response is not None and response.code == coap.CHANGED:
            self._report_later()
        else:
            self.register()

    def _report_later(self) -> None:
        rhythm = self._spec.rhythm
        varied = 1.0 + rhythm.jitter * self._dice.between(-1.0, 1.0)
        self._in(rhythm.report_seconds * varied, self.report)

    def _in(self, seconds: float, step: Callable[[], None]) -> None:
        """Take the next step later, instead of any other that was to come."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, step)
