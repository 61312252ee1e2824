"""A registered device in mid-upgrade that answers with everything but what it should; seeded, and without sockets.

It answers what it was asked and what it was not, late, twice and from other addresses, notifies out of order, replays
and mutates what it has sent, registers, updates and leaves. Now and then it does what a device does, so that the
platform goes on asking it. Whatever it sends, a platform may refuse it, and must go on serving all others.

    device = HostileDevice("urn:imei:1", seed=7)
    sent = device.next()          # datagram and number of the socket to send it from: 0 is its own
    device.receive(datagram)      # what comes back to any of them
"""

from collections import deque
from random import Random
from typing import Final, NamedTuple

from sluice_simulator import hostile_payloads, packet
from sluice_simulator.packet import Option, Packet, PacketError

SOCKETS: Final = 4
"""Its own, and three from which others might speak for it."""
_REMEMBERED: Final = 32
_MAX_DATAGRAM: Final = 4_096
_CODES: Final = (
    0x44,
    0x45,
    0x45,
    0x45,
    0x5F,
    0x80,
    0x84,
    0x88,
    0x9D,
    0xA0,
    0xA3,
    0xC0,
    0xE1,
    0x20,
    0x01,
    0x02,
    0x05,
    0x00,
)
_LINKS: Final = b'</>;rt="oma.lwm2m",</1/0>,</3/0>,</4/0>,</5/0>'
_UPDATE: Final = b"u"
"""Token of its Updates."""
_PATIENCE: Final = 2_000
"""Datagrams in which it awaits the answer to a registration."""
_OWN: Final = 0.8
"""Share of what comes from its own socket."""


class Sent(NamedTuple):
    """A datagram, and the socket that it is sent from."""

    data: bytes
    socket: int


class HostileDevice:
    """One device.

    Attributes:
        endpoint: Its endpoint client name.
        location: Its registration; empty if it has none.
    """

    def __init__(self, endpoint: str, seed: int, *, restless: float = 0.005) -> None:
        """Prepare.

        Args:
            endpoint: Its endpoint client name.
            seed: What it sends follows from it.
            restless: How often it does what ends its registration: a device that is never registered for long is never
                in mid-upgrade.
        """
        self.endpoint = endpoint
        self.location = ""
        self._chance = Random(seed)
        self._asked: deque[Packet] = deque(maxlen=_REMEMBERED)
        self._observed: deque[bytes] = deque(maxlen=4)
        self._images: deque[str] = deque(maxlen=4)
        self._before: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._restless = restless
        self._since_registration = _PATIENCE
        self._mid = self._chance.randrange(65_536)
        self._sequence = 2
        self._due: deque[Packet] = deque(maxlen=_REMEMBERED)

    def receive(self, data: bytes) -> None:
        """Take what the platform has sent to one of its sockets."""
        try:
            message = packet.decode(data)
        except PacketError:
            return
        if message.is_request:
            self._asked.append(message)
            self._due.append(message)
            if message.option(packet.OBSERVE) is not None:
                self._observed.append(message.token)
            if message.code == packet.PUT and b"/fw/" in message.payload:
                self._images.append(message.payload.decode().rpartition("/fw/")[2])
        elif message.code == packet.CREATED and message.texts(packet.LOCATION_PATH)[:1] == ["rd"]:
            self.location = message.texts(packet.LOCATION_PATH)[-1]
        elif message.code == packet.NOT_FOUND and message.token == _UPDATE:
            self.location = ""

    def next(self) -> Sent:
        """Return what it sends next."""
        self._since_registration += 1
        if not self.location and self._since_registration > _PATIENCE:
            self._since_registration = 0
            return self._remember(self._register())
        if self._due and self._by_chance(0.6):
            return self._remember(self._answer(self._due.popleft()))
        kinds = (
            self._answer_again,
            self._notify,
            self._notify,
            self._replay,
            self._mutate,
            self._request,
            self._manage,
        )
        return self._remember(self._chance.choice(kinds)())

    def _remember(self, data: bytes) -> Sent:
        ends = b"ep=" in data or data[1:2] == bytes((packet.DELETE,))
        if not ends or self._by_chance(self._restless):
            self._before.append(data)
        own = self._by_chance(_OWN)
        return Sent(data[: 2 * _MAX_DATAGRAM], 0 if own else self._chance.randrange(SOCKETS))

    def _by_chance(self, share: float) -> bool:
        return self._chance.random() < share

    def _register(self) -> bytes:
        query = [(packet.URI_QUERY, part.encode()) for part in (f"ep={self.endpoint}", "lt=86400", "lwm2m=1.1", "b=U")]
        options = [*packet.path_options("/rd"), (packet.CONTENT_FORMAT, b"\x28"), *query]
        return self._encode(packet.CON, packet.POST, b"r", options, _LINKS)

    def _answer(self, asked: Packet) -> bytes:
        """Answer: in a third of all cases as it should be, so that the upgrade goes on."""
        if self._by_chance(0.35):
            observes: list[Option] = [(packet.OBSERVE, b"\x01")] if asked.option(packet.OBSERVE) == b"" else []
            code = packet.CONTENT if asked.code == packet.GET else packet.CHANGED
            payload = self._chance.choice((b"0", b"1", b"2", b"1.0")) if asked.code == packet.GET else b""
            return self._encode(packet.ACK, code, asked.token, observes, payload, mid=asked.mid)
        kind = self._chance.choice((packet.ACK, packet.ACK, packet.CON, packet.NON, packet.RST))
        mid = asked.mid if self._by_chance(0.8) else None
        token = asked.token if self._by_chance(0.85) else self._chance.choice((b"", asked.token[:3], b"12345678"))
        code = self._chance.choice(_CODES) if self._by_chance(0.9) else self._chance.randrange(256)
        if kind == packet.RST or code == packet.EMPTY:
            return self._encode(kind, packet.EMPTY, b"", [], b"", mid=mid)
        return self._encode(kind, code, token, *self._content(), mid=mid)

    def _answer_again(self) -> bytes:
        """Answer something that was asked at some time, or never."""
        return self._answer(self._chance.choice(self._asked)) if self._asked else self._request()

    def _notify(self) -> bytes:
        if not self._observed:
            return self._request()
        token = self._chance.choice(self._observed)
        self._sequence += self._chance.choice((1, 1, 1, 0, -1, -5, 2**22, 2**24))
        sequence = self._chance.choice(
            (packet.uint_bytes(self._sequence % 2**24), b"\xff" * self._chance.randrange(12))
        )
        more, payload = self._content()
        if self._by_chance(0.5):  # a state as it should be
            more, payload = [], self._chance.choice((b"0", b"1", b"2", b"3", b"4"))
        if self._by_chance(0.9):
            more = sorted((*more, (packet.OBSERVE, sequence)))
        code = packet.CONTENT if self._by_chance(0.8) else self._chance.choice(_CODES[5:10])
        return self._encode(self._chance.choice((packet.CON, packet.NON)), code, token, more, payload)

    def _replay(self) -> bytes:
        return self._chance.choice(self._before) if self._before else self._register()

    def _mutate(self) -> bytes:
        data = bytearray(self._replay())
        for _ in range(self._chance.choice((1, 1, 2, 8))):
            data[self._chance.randrange(len(data))] = self._chance.randrange(256)
        return bytes(data[: self._chance.randrange(1, len(data) + 1)] if self._by_chance(0.2) else data)

    def _request(self) -> bytes:
        """Ask for a block of an image, or send any method anywhere."""
        block = (packet.BLOCK2, packet.uint_bytes(self._chance.choice((0, 6, 22, 7, 2**20, 2**31))))
        if self._images and self._by_chance(0.5):
            path = packet.path_options("/fw/" + self._chance.choice(self._images))
            return self._encode(packet.CON, packet.GET, b"g", [*path, block], b"")
        path = packet.path_options(
            self._chance.choice(("/rd", "/dp", "/fw/x", "/", "/bs", "/.well-known/core", "/rd/x"))
        )
        more, payload = self._content()
        options = sorted((*path, *more), key=lambda option: option[0])
        return self._encode(
            self._chance.choice((packet.CON, packet.NON)), self._chance.randrange(1, 9), b"q", options, payload
        )

    def _manage(self) -> bytes:
        """Register anew, update, or leave, sometimes with what nobody understands."""
        if self._by_chance(self._restless):
            return self._register()
        path = packet.path_options(f"/rd/{self.location}")
        if self._by_chance(self._restless):
            return self._encode(packet.CON, packet.DELETE, b"d", path, b"")
        query = self._chance.choice((b"", b"lt=0", b"lt=86400", b"lt=" + b"9" * 400, b"b=U", b"b=\xff", b"Q"))
        more, payload = self._content() if self._by_chance(0.2) else ([], b"")
        options = sorted((*path, *more, *([(packet.URI_QUERY, query)] if query else [])), key=lambda option: option[0])
        return self._encode(packet.CON, packet.POST, _UPDATE, options, payload)

    def _content(self) -> tuple[list[Option], bytes]:
        named, payload = hostile_payloads.body(self._chance)
        more = hostile_payloads.options(self._chance) if self._by_chance(0.4) else []
        return sorted((*named, *more), key=lambda option: option[0]), payload

    def _encode(
        self, kind: int, code: int, token: bytes, options: list[Option], payload: bytes, *, mid: int | None = None
    ) -> bytes:
        if mid is None:
            mid = self._mid = (self._mid + 1) & 0xFFFF
        return packet.encode(kind, code, mid, token, options=packet.encode_options(options), payload=payload)
