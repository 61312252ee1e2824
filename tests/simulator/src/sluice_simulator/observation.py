"""The observation of `/5/0/3` (RFC 7641): one observer, one notification at a time, the latest state wins."""

from collections.abc import Callable

from sluice_simulator import encodings
from sluice_simulator import packet as coap
from sluice_simulator.coap import Delivery, Endpoint

OnDelivery = Callable[[Delivery], None]
_SEQUENCE_MASK = 0xFFFFFF


class Observation:
    """Who observes the state and what has been told.

    Args:
        content: The state now in a content format, as the observer asked for it.
        confirmable: Whether notifications are CON.

    Attributes:
        token: The observer's token; None without observer.
        endpoint: Sends the notifications; None while the device is not registered.
    """

    __slots__ = (
        "_confirmable",
        "_content",
        "_content_format",
        "_outstanding",
        "_sequence",
        "_waiting",
        "endpoint",
        "token",
    )

    def __init__(self, content: Callable[[int], bytes], *, confirmable: bool) -> None:
        self._content = content
        self._confirmable = confirmable
        self._content_format = encodings.TEXT
        self._sequence = 0
        self._outstanding = False
        self._waiting: list[OnDelivery | None] = []
        self.token: bytes | None = None
        self.endpoint: Endpoint | None = None

    def observe(self, token: bytes, content_format: int) -> bytes:
        """Take an observer, instead of any other; the Observe option of the answer (RFC 7641 §3.1).

        Each observation is numbered from its own start, which is all that an observer may rely on (§3.4).
        """
        if token != self.token:
            self._sequence = 0
        self.token = token
        self._content_format = content_format
        return self._next_sequence()

    def cancel(self) -> None:
        """Tell nobody any more."""
        self.token = None

    def restart(self, endpoint: Endpoint | None) -> None:
        """Go on with another endpoint, or with none until a reboot is over; what was outstanding is gone."""
        self.endpoint = endpoint
        self._outstanding = False
        self._waiting.clear()

    def changed(self, on_delivery: OnDelivery | None = None) -> None:
        """The state changed: tell the observer, after a notification that is still outstanding (RFC 7641 §4.5.2).

        Args:
            on_delivery: Called when the observer has this state or a later one, or cannot be told.
        """
        self._waiting.append(on_delivery)
        if not self._outstanding:
            self._tell()

    def _tell(self) -> None:
        callbacks, self._waiting = self._waiting, []
        if self.token is None or self.endpoint is None:
            _call(callbacks, Delivery.UNCONFIRMED)
            return
        options = coap.encode_options(
            (
                (coap.OBSERVE, self._next_sequence()),
                (coap.CONTENT_FORMAT, coap.uint_bytes(self._content_format)),
            )
        )
        payload = self._content(self._content_format)
        send = self.endpoint.notify if self._confirmable else self.endpoint.notify_unconfirmed
        self._outstanding = True
        send(self.token, options, payload, lambda delivery: self._delivered(delivery, callbacks))

    def _delivered(self, delivery: Delivery, callbacks: list[OnDelivery | None]) -> None:
        self._outstanding = False
        if delivery is Delivery.REFUSED or delivery is Delivery.LOST:
            self.token = None  # RFC 7641 §3.6 and §4.5
        _call(callbacks, delivery)
        if self._waiting and not self._outstanding:
            self._tell()

    def _next_sequence(self) -> bytes:
        self._sequence = self._sequence + 1 & _SEQUENCE_MASK
        return coap.uint_bytes(self._sequence)


def _call(callbacks: list[OnDelivery | None], delivery: Delivery) -> None:
    """Pass it on once: a NON is first sent and may be refused later."""
    waiting = callbacks.copy()
    callbacks.clear()
    for on_delivery in waiting:
        if on_delivery is not None:
            on_delivery(delivery)
