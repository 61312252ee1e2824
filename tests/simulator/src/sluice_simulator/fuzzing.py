"""An LwM2M device that answers with whatever one seed says: a hostile device, or one whose firmware is broken.

It registers, again and again, and answers what it is asked: sometimes as a device would, so that it gets further,
mostly with options of any length, wrong types, codes and tokens, what was not asked, old notifications, or bytes that
are no message.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Final

from sluice_simulator import packet as coap
from sluice_simulator.packet import Packet, PacketError

_REGISTER_EVERY: Final = 5.0
_LINKS: Final = b"</1/0>,</3/0>,</4/0>,</5/0>"
_LINK_FORMAT: Final = 40
_MAX_TOKEN: Final = 8
_OPTION_LENGTHS: Final = (0, 1, 2, 3, 4, 9, 40, 300, 1200)
_OPTION_NUMBERS: Final = (1, 4, 6, 8, 9, 11, 12, 14, 17, 23, 27, 28, 35, 60, 2049, 65001)
_PLAUSIBLE: Final = {"/3/0/3": b"1.0.0", "/4/0/8": b"4242", "/4/0/2": b"-80", "/5/0/3": b"0", "/5/0/5": b"0"}


class FuzzingDevice(asyncio.DatagramProtocol):
    """One device; use it as the protocol of a datagram endpoint.

    Args:
        endpoint: Endpoint client name.
        seed: Decides every answer.

    Attributes:
        answered: Requests that it was asked, and answered somehow.
    """

    def __init__(self, endpoint: str, seed: int) -> None:
        self.answered = 0
        self._endpoint = endpoint
        self._random = Random(f"{seed}/fuzzing/{endpoint}")
        self._transport: Any = None
        self._asked: list[Packet] = []
        self._mid = 0
        self._timer: asyncio.TimerHandle | None = None
        self._manners: tuple[Callable[[Packet], bytes], ...] = (
            self._plausible,
            self._plausible,
            self._odd_options,
            self._wrong_message,
            self._notification,
            self._unasked,
            self._noise,
        )

    def connection_made(self, transport: Any) -> None:
        """Register."""
        self._transport = transport
        self._register()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Be quiet."""
        if self._timer is not None:
            self._timer.cancel()

    def error_received(self, exc: Exception) -> None:
        """Ignore it, as a gateway that is away."""

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        """Answer a request, once or several times."""
        try:
            packet = coap.decode(data)
        except PacketError:
            return
        if packet.is_request:
            self.answered += 1
            self._asked = [*self._asked[-9:], packet]
            for _ in range(self._random.choice((1, 1, 1, 2, 3))):
                self._transport.sendto(self._random.choice(self._manners)(packet))

    def _register(self) -> None:
        query = [(coap.URI_QUERY, part.encode()) for part in (f"ep={self._endpoint}", "lt=300", "lwm2m=1.0", "b=U")]
        options = [*coap.path_options("/rd"), (coap.CONTENT_FORMAT, bytes([_LINK_FORMAT])), *query]
        token = self._random.randbytes(2)
        self._transport.sendto(
            coap.encode(
                coap.CON, coap.POST, self._next_mid(), token, options=coap.encode_options(options), payload=_LINKS
            )
        )
        self._timer = asyncio.get_running_loop().call_later(_REGISTER_EVERY, self._register)

    def _next_mid(self) -> int:
        self._mid = (self._mid + 1) & 0xFFFF
        return self._mid

    def _plausible(self, request: Packet) -> bytes:
        value = _PLAUSIBLE.get(request.path, b"")
        code = coap.CONTENT if request.code == coap.GET else coap.CHANGED
        options = [(coap.CONTENT_FORMAT, b"")] if value else []
        if request.option(coap.OBSERVE) is not None:
            options = [(coap.OBSERVE, b"\x01"), *options]
        return coap.encode(
            coap.ACK, code, request.mid, request.token, options=coap.encode_options(options), payload=value
        )

    def _odd_options(self, request: Packet) -> bytes:
        random = self._random
        numbers = sorted(random.choices(_OPTION_NUMBERS, k=random.randint(1, 4)))
        odd = [(number, random.randbytes(random.choice(_OPTION_LENGTHS))) for number in numbers]
        payload = random.randbytes(random.choice((0, 1, 30, 900)))
        code = random.choice((coap.CONTENT, coap.CHANGED, coap.BAD_REQUEST, coap.SERVICE_UNAVAILABLE))
        return coap.encode(
            coap.ACK, code, request.mid, request.token, options=coap.encode_options(odd), payload=payload
        )

    def _wrong_message(self, request: Packet) -> bytes:
        random = self._random
        kind, code = random.randrange(4), random.randrange(256)
        token = random.choice((request.token, b"", random.randbytes(_MAX_TOKEN)))
        return coap.encode(kind, code, request.mid, token, payload=random.randbytes(random.choice((0, 5))))

    def _notification(self, request: Packet) -> bytes:
        """Return a notification, in no order, by the token of something that was asked."""
        random = self._random
        token = random.choice(self._asked or [request]).token
        sequence = random.randbytes(random.choice((0, 1, 3, 3, 7)))
        options = coap.encode_options([(coap.OBSERVE, sequence), (coap.CONTENT_FORMAT, b"")])
        payload = random.choice((b"0", b"1", b"2", b"3", b"9" * 400, b"\xff", b""))
        kind = random.choice((coap.CON, coap.NON))
        return coap.encode(kind, coap.CONTENT, self._next_mid(), token, options=options, payload=payload)

    def _unasked(self, request: Packet) -> bytes:
        random = self._random
        mid, token = random.randrange(0x10000), random.randbytes(len(request.token))
        return coap.encode(random.choice((coap.CON, coap.ACK)), coap.CONTENT, mid, token, payload=b"2")

    def _noise(self, _request: Packet) -> bytes:
        return self._random.randbytes(self._random.choice((0, 1, 3, 4, 20, 1400)))
