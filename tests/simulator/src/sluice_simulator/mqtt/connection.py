"""One MQTT connection of a device, as an `asyncio.Protocol`: about 2 KB each, where MQTT libraries take ten times that.

It connects, keeps alive, acknowledges and sends again; whether and when to come back is the device's business.
"""

import asyncio
from typing import Final, Protocol, cast

from sluice_simulator.mqtt import packet as mqtt
from sluice_simulator.mqtt.packet import LogIn, MqttError, Packet

_MAX_PACKET_ID: Final = 0xFFFF


class Owner(Protocol):
    """Whose connection it is."""

    def connected(self) -> None:
        """The broker has accepted the log-in."""

    def received(self, topic: str, payload: bytes) -> None:
        """A message came; it has been acknowledged."""

    def acknowledged(self, packet_id: int) -> None:
        """The broker has a message of ours."""

    def lost(self, reason: str) -> None:
        """The connection is gone, or could not be made; told once, and not after `close`."""


class Connection(asyncio.Protocol):
    """A connection from its first byte to its last.

    Args:
        loop: Runs it.
        owner: Is told.
        log_in: For CONNECT.
        keep_alive: Seconds between pings. The broker gives a client up that was silent for one and a half times
            this (§3.1.2.10).
    """

    __slots__ = (
        "_blocked",
        "_keep_alive",
        "_log_in",
        "_loop",
        "_next_id",
        "_owner",
        "_pinged",
        "_rest",
        "_timer",
        "_transport",
        "accepted",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, log_in: LogIn, keep_alive: int) -> None:
        self._loop = loop
        self._owner: Owner | None = owner
        self._log_in: LogIn | None = log_in
        self._keep_alive = keep_alive
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rest = b""
        self._next_id = 1
        self._pinged = self._blocked = False
        self.accepted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in at once."""
        self._transport = cast("asyncio.Transport", transport)
        if self._log_in is None or self._owner is None:
            transport.close()  # given up before it was made
            return
        self._transport.write(mqtt.connect(self._log_in, self._keep_alive))
        self._log_in = None  # its three strings are 300 bytes per device
        if self._keep_alive:
            self._timer = self._loop.call_later(self._keep_alive, self._tick)

    def data_received(self, data: bytes) -> None:
        """Take what came; anything that is not MQTT ends the connection."""
        try:
            packets, self._rest = mqtt.split(self._rest + data if self._rest else data)
            for packet in packets:
                self._take(packet)
        except MqttError as error:
            self._end(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner."""
        self._end(str(exc or "closed by the broker"))

    def publish(self, topic: str, payload: bytes) -> int:
        """Send at QoS 1 and return the packet id; 0 if the connection does not take it now."""
        if self._transport is None or not self.accepted or self._blocked or self._transport.is_closing():
            return 0
        packet_id = self._next_id
        self._next_id = packet_id % _MAX_PACKET_ID + 1
        self._write(mqtt.publish(topic, payload, packet_id))
        return packet_id

    def block(self, *, blocked: bool) -> None:
        """Neither read, nor answer, nor ping, as a client whose only thread does something else; or go on."""
        was, self._blocked = self._blocked, blocked
        if was is blocked or self._transport is None or self._transport.is_closing():
            return
        if blocked:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close(self) -> None:
        """Take leave (DISCONNECT, §3.14) and be quiet."""
        self._owner = None
        if self._transport is not None and self.accepted and not self._blocked:
            self._transport.write(mqtt.DISCONNECT)
        self._end("")

    def cut(self) -> None:
        """Vanish without a word, as without power; the owner is not told."""
        self._owner = None
        if self._transport is not None:
            self._transport.abort()
        self._end("")

    def _take(self, packet: Packet) -> None:
        if self._owner is None:
            return
        if packet.kind == mqtt.PUBLISH:
            message = mqtt.read_publish(packet)
            if message.qos:
                self._write(mqtt.puback(message.packet_id))
            self._owner.received(message.topic, message.payload)
        elif packet.kind == mqtt.PUBACK:
            self._owner.acknowledged(mqtt.read_packet_id(packet))
        elif packet.kind == mqtt.PINGRESP:
            self._pinged = False
        elif packet.kind == mqtt.CONNACK:
            self._connacked(mqtt.read_connack(packet))

    def _connacked(self, code: int) -> None:
        if code != mqtt.ACCEPTED:
            self._end(mqtt.connack_text(code))
            return
        self.accepted = True
        if self._owner is not None:
            self._owner.connected()

    def _tick(self) -> None:
        """Ping; a broker that has not answered the last one is gone."""
        self._timer = self._loop.call_later(self._keep_alive, self._tick)
        if self._blocked or self._transport is None:
            return
        if self._pinged or not self.accepted:
            self._end("the broker does not answer")
        else:
            self._pinged = True
            self._transport.write(mqtt.PINGREQ)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _end(self, reason: str) -> None:
        owner, self._owner = self._owner, None
        self.accepted = False
        self._rest = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.close()
        if owner is not None:
            owner.lost(reason)
