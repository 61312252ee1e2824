"""An MQTT 3.1.1 client for tests, which shows what the broker really sends."""

import asyncio
import ssl

from sluice_embedded.domain.ports import CLIENT_HOST
from sluice_simulator.mqtt import packet as mqtt
from sluice_simulator.mqtt.packet import Packet, Publish

PASSWORD = "right"  # noqa: S105 - of the devices of these tests
DEADLINE = 10.0
"""Seconds for anything that is to happen."""
_CLEAN, _WILL, _LOG_IN = 0x02, 0x0C, 0xC0


class Client:
    """An MQTT 3.1.1 client that does what it is told and hides nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._ready: list[Packet] = []
        self._next_id = 0

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext | None = None) -> "Client":
        """Connect to the broker, without logging in."""
        name = "localhost" if tls else None
        return cls(*await asyncio.open_connection(CLIENT_HOST, port, ssl=tls, server_hostname=name))

    async def log_in(
        self,
        client_id: str,
        username: str,
        password: str = PASSWORD,
        *,
        clean: bool = True,
        will: str = "",
        will_flags: int = 0,
    ) -> int:
        """Log in and return the return code; `will` is a topic, `will_flags` are more of its flags (§3.1.2.3)."""
        flags = _LOG_IN | (_CLEAN if clean else 0) | (_WILL | will_flags if will else 0)
        texts = [client_id, *([will, "gone"] if will else []), username, password]
        body = b"\x00\x04MQTT\x04" + bytes((flags,)) + (60).to_bytes(2)
        self.send(1, 0, body + b"".join(len(text.encode()).to_bytes(2) + text.encode() for text in texts))
        return mqtt.read_connack(await self.expect(mqtt.CONNACK))

    def send(self, kind: int, flags: int, body: bytes) -> None:
        """Send any packet."""
        length, digits = len(body), bytearray()
        while not digits or length:
            length, digit = length >> 7, length & 0x7F
            digits.append(digit | (0x80 if length else 0))
        self._writer.write(bytes((kind << 4 | flags,)) + digits + body)

    async def subscribe(self, topic: str, qos: int = 1) -> int:
        """Subscribe and return what was granted; 0x80 is a refusal."""
        self._next_id += 1
        self._writer.write(mqtt.subscribe(topic, self._next_id, qos))
        return (await self.expect(mqtt.SUBACK)).body[2]

    async def publish(self, topic: str, payload: bytes = b"x", flags: int = 0) -> None:
        """Publish at QoS 1 and wait for the acknowledgement."""
        self._next_id += 1
        name = topic.encode()
        self.send(mqtt.PUBLISH, 2 | flags, len(name).to_bytes(2) + name + self._next_id.to_bytes(2) + payload)
        await self.expect(mqtt.PUBACK)

    async def flood(self, topic: str, number: int) -> None:
        """Publish so often at QoS 1 without waiting, then wait for all acknowledgements."""
        name, first = topic.encode(), self._next_id + 1
        self._next_id += number
        head = len(name).to_bytes(2) + name
        for packet_id in range(first, first + number):
            self.send(mqtt.PUBLISH, 2, head + packet_id.to_bytes(2) + b"flood")
        for _ in range(number):
            await self.expect(mqtt.PUBACK)

    async def receive(self) -> Publish:
        """Return the next message, acknowledged."""
        message = mqtt.read_publish(await self.expect(mqtt.PUBLISH))
        if message.qos:
            self._writer.write(mqtt.puback(message.packet_id))
        return message

    async def receives_nothing(self, seconds: float = 0.5) -> bool:
        """Return whether no message comes for a while."""
        try:
            await asyncio.wait_for(self.receive(), seconds)
        except TimeoutError:
            return True
        return False

    async def is_alive(self) -> bool:
        """Return whether the broker answers a ping."""
        self._writer.write(mqtt.PINGREQ)
        try:
            await self.expect(mqtt.PINGRESP)
        except OSError:
            return False
        return True

    async def until_closed(self) -> None:
        """Wait until the broker has closed the connection."""
        async with asyncio.timeout(DEADLINE):
            try:
                while await self._reader.read(65_536):
                    pass
            except ConnectionError:
                return

    async def expect(self, kind: int) -> Packet:
        """Return the next packet of a kind; others stay for later.

        Raises:
            ConnectionError: The broker has closed the connection.
        """
        async with asyncio.timeout(3 * DEADLINE):
            while True:
                for place, packet in enumerate(self._ready):
                    if packet.kind == kind:
                        return self._ready.pop(place)
                data = await self._reader.read(65_536)
                if not data:
                    raise ConnectionError("closed by the broker")
                packets, self._rest = mqtt.split(self._rest + data)
                self._ready += packets

    async def leave(self) -> None:
        """Take leave."""
        self._writer.write(mqtt.DISCONNECT)
        await self._writer.drain()
        self._writer.close()

    def cut(self) -> None:
        """Close without a word."""
        self._writer.transport.abort()
