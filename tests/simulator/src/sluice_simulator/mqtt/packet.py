"""MQTT 3.1.1 packets as a device needs them (OASIS Standard, 29 October 2014; sections are named below).

It leaves out QoS 2, wills, and what only a server sends or a platform's client needs.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
SUBACK: Final = 9
PINGRESP: Final = 13
"""Control packet types, §2.2.1."""

PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"

ACCEPTED: Final = 0
"""Return code of CONNACK, §3.2.2.3."""
_REFUSALS: Final = {
    1: "unacceptable protocol version",
    2: "identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}

_CONNECT, _SUBSCRIBE = 1, 8
_PROTOCOL: Final = b"\x00\x04MQTT\x04"
_CLEAN_SESSION, _PASSWORD, _USER_NAME = 0x02, 0x40, 0x80
_DUP: Final = 0x08
_LENGTH_BYTES: Final = 4
_MAX_TEXT_BYTES: Final = 0xFFFF
MAX_PACKET_BYTES: Final = 256 * 1024
"""Largest packet that a device takes."""


class MqttError(ValueError):
    """The other side does not speak MQTT 3.1.1, or more of it than a device takes."""


class Packet(NamedTuple):
    """A control packet.

    Attributes:
        kind: Its type.
        flags: Lower half of its first byte.
        body: Everything after the fixed header.
    """

    kind: int
    flags: int
    body: bytes


class Publish(NamedTuple):
    """A PUBLISH packet; `packet_id` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class LogIn:
    """What a client says of itself in CONNECT."""

    client_id: str
    username: str
    password: str


def connect(log_in: LogIn, keep_alive: int) -> bytes:
    """CONNECT with a clean session, §3.1; `keep_alive` in seconds, 0 for none."""
    flags = _CLEAN_SESSION | _USER_NAME | _PASSWORD
    parts = (log_in.client_id, log_in.username, log_in.password)
    return _packet(
        _CONNECT, 0, _PROTOCOL + bytes((flags,)) + keep_alive.to_bytes(2) + b"".join(_text(part) for part in parts)
    )


def publish(topic: str, payload: bytes, packet_id: int = 0, *, duplicate: bool = False) -> bytes:
    """PUBLISH, §3.3: at QoS 1 with a packet id (1 to 65,535), at QoS 0 without."""
    flags = (2 if packet_id else 0) | (_DUP if duplicate else 0)
    number = packet_id.to_bytes(2) if packet_id else b""
    return _packet(PUBLISH, flags, _text(topic) + number + payload)


def puback(packet_id: int) -> bytes:
    """PUBACK, §3.4."""
    return _packet(PUBACK, 0, packet_id.to_bytes(2))


def subscribe(topic: str, packet_id: int, qos: int = 1) -> bytes:
    """SUBSCRIBE to one topic filter, §3.8."""
    return _packet(_SUBSCRIBE, 2, packet_id.to_bytes(2) + _text(topic) + bytes((qos,)))


def split(data: bytes) -> tuple[list[Packet], bytes]:
    """The whole packets at the start of a stream, and what is left of it.

    Raises:
        MqttError: No length (§2.2.3), or a packet beyond `MAX_PACKET_BYTES`.
    """
    packets, at = [], 0
    while (header := _header(data, at)) is not None:
        begin, end = header
        if end > len(data):
            break
        packets.append(Packet(data[at] >> 4, data[at] & 0x0F, data[begin:end]))
        at = end
    return packets, data[at:]


def read_connack(packet: Packet) -> int:
    """The return code of a CONNACK, §3.2.

    Raises:
        MqttError: Malformed.
    """
    if len(packet.body) != 2:  # noqa: PLR2004 - flags and return code
        raise MqttError("malformed CONNACK")
    return packet.body[1]


def read_publish(packet: Packet) -> Publish:
    """What a PUBLISH says, §3.3.

    Raises:
        MqttError: Malformed, or QoS 2, which a device does not subscribe with.
    """
    body, qos = packet.body, packet.flags >> 1 & 3
    if qos > 1:
        raise MqttError(f"QoS {qos}")
    begin = 2 + int.from_bytes(body[:2])
    payload_at = begin + 2 * qos
    if len(body) < max(payload_at, 2):
        raise MqttError("malformed PUBLISH")
    try:
        topic = body[2:begin].decode()
    except UnicodeDecodeError as error:
        raise MqttError("topic is not UTF-8") from error
    packet_id = int.from_bytes(body[begin:payload_at])
    return Publish(topic, body[payload_at:], qos, packet_id, bool(packet.flags & _DUP))


def read_packet_id(packet: Packet) -> int:
    """The packet id of a PUBACK or SUBACK.

    Raises:
        MqttError: Malformed.
    """
    if len(packet.body) < 2:  # noqa: PLR2004 - a packet id
        raise MqttError("no packet id")
    return int.from_bytes(packet.body[:2])


def connack_text(code: int) -> str:
    """A CONNACK return code in words."""
    return _REFUSALS.get(code, f"refused with {code}")


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    length, digits = len(body), bytearray()
    while True:
        length, digit = length >> 7, length & 0x7F
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes((kind << 4 | flags,)) + digits + body


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) > _MAX_TEXT_BYTES:
        raise ValueError(f"a text of {len(data)} bytes is too long for MQTT")
    return len(data).to_bytes(2) + data


def _header(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at this place begins and ends; None if the header is not there yet."""
    length = 0
    for digit in range(_LENGTH_BYTES):
        place = at + 1 + digit
        if place >= len(data):
            return None
        length |= (data[place] & 0x7F) << 7 * digit
        if not data[place] & 0x80:
            if length > MAX_PACKET_BYTES:
                raise MqttError(f"a packet of {length} bytes")
            return place + 1, place + 1 + length
    raise MqttError("malformed remaining length")
