"""A broker and a download server in one small object, to try devices against: not the platform, and no MQTT broker.

It takes log-ins of devices that it knows, keeps what they report, publishes what a test tells it to, and serves one
image to whoever has the right token, in ranges too.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections import defaultdict
from typing import Any, Final

from sluice_simulator.mqtt import ota
from sluice_simulator.mqtt import packet as mqtt
from sluice_simulator.mqtt.packet import MqttError, Packet

_CONNECT: Final = 1
_BAD_LOG_IN, _ACCEPTED = b"\x20\x02\x00\x04", b"\x20\x02\x00\x00"
_PINGRESP: Final = b"\xd0\x00"


class TrialPlatform:
    """Broker and download server on free ports of the loopback.

    Args:
        image: What it serves.
        secrets: Device id → secret.

    Attributes:
        image: What it serves.
        tokens: Those that are good.
        reports: Device id → (event type, `paras`) of everything that it published, in order.
        connects: Device id → accepted log-ins.
        requests: `Range` headers of the downloads so far, empty for none.
        acknowledges: Whether publications are acknowledged.
    """

    def __init__(self, image: bytes, secrets: dict[str, str]) -> None:
        self.image = image
        self.tokens: set[str] = set()
        self.reports: defaultdict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        self.connects: defaultdict[str, int] = defaultdict(int)
        self.requests: list[str] = []
        self.acknowledges = True
        self._secrets = secrets
        self._clients: dict[str, asyncio.StreamWriter] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._broker: asyncio.Server | None = None
        self._http: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._broker = await asyncio.start_server(self._serve_mqtt, "127.0.0.1", 0)
        self._http = await asyncio.start_server(self._serve_http, "127.0.0.1", 0)

    async def stop(self) -> None:
        """End everything."""
        for server in filter(None, (self._broker, self._http)):
            server.close()
        for writer in list(self._writers):
            writer.close()
        await asyncio.sleep(0)

    @property
    def broker(self) -> str:
        """Where devices log in."""
        return f"mqtt://127.0.0.1:{_port(self._broker)}"

    @property
    def online(self) -> set[str]:
        """Devices that are logged in."""
        return set(self._clients)

    def query(self, device_id: str) -> None:
        """Publish `version_query`."""
        self._publish(device_id, ota.VERSION_QUERY, {})

    def offer(self, device_id: str, version: str, token: str, expires: int = 86_400) -> None:
        """Publish `firmware_upgrade` with this token, which is good from now on."""
        self.tokens.add(token)
        paras = {
            "version": version,
            "url": f"http://127.0.0.1:{_port(self._http)}/image/{token}",
            "file_size": len(self.image),
            "access_token": token,
            "expires": expires,
            "sign": hashlib.sha256(self.image).hexdigest(),
        }
        self._publish(device_id, ota.FIRMWARE_UPGRADE, paras)

    def drop(self, device_id: str) -> None:
        """Break a device's connection."""
        self._clients[device_id].close()

    def _publish(self, device_id: str, kind: str, paras: dict[str, Any]) -> None:
        event = {"service_id": ota.SERVICE, "event_type": kind, "event_time": "20260101T000000Z", "paras": paras}
        message = json.dumps({"object_device_id": device_id, "services": [event]}).encode()
        self._clients[device_id].write(mqtt.publish(ota.down_topic(device_id), message, 7))

    async def _serve_mqtt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        device_id, rest = "", b""
        with contextlib.suppress(OSError, MqttError, asyncio.CancelledError):
            while data := await reader.read(65_536):
                packets, rest = mqtt.split(rest + data)
                for packet in packets:
                    if packet.kind == _CONNECT:
                        device_id = self._log_in(packet, writer)
                    else:
                        self._take(device_id, packet, writer)
        if self._clients.get(device_id) is writer:
            del self._clients[device_id]
        self._writers.discard(writer)
        writer.close()

    def _log_in(self, packet: Packet, writer: asyncio.StreamWriter) -> str:
        client_id, username, password = _texts(packet.body[10:])
        hour = client_id.rpartition("_")[2]
        secret = self._secrets.get(username, "")
        right = hmac.new(hour.encode(), secret.encode(), hashlib.sha256).hexdigest()
        if not secret or not hmac.compare_digest(right, password) or not client_id.startswith(f"{username}_0_"):
            writer.write(_BAD_LOG_IN)
            return ""
        writer.write(_ACCEPTED)
        self._clients[username] = writer
        self.connects[username] += 1
        return username

    def _take(self, device_id: str, packet: Packet, writer: asyncio.StreamWriter) -> None:
        if packet.kind == mqtt.PUBLISH:
            message = mqtt.read_publish(packet)
            for service in json.loads(message.payload)["services"]:
                self.reports[device_id].append((service["event_type"], service["paras"]))
            if message.qos and self.acknowledges:
                writer.write(mqtt.puback(message.packet_id))
        elif packet.kind == mqtt.PINGREQ[0] >> 4:
            writer.write(_PINGRESP)

    async def _serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                writer.write(self._answer(head))
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    def _answer(self, head: str) -> bytes:
        lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        token = headers.get("authorization", "").removeprefix("Bearer ")
        wanted = headers.get("range", "")
        self.requests.append(wanted)
        if token not in self.tokens or not lines[0].startswith(f"GET /image/{token} "):
            return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
        if not wanted:
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.image) + self.image
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = self.image[int(first) : int(last) + 1 if last else None]
        return b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n\r\n" % len(part) + part


def _texts(data: bytes) -> list[str]:
    """The length-prefixed texts of a CONNECT's payload."""
    found = []
    while data:
        end = 2 + int.from_bytes(data[:2])
        found.append(data[2:end].decode())
        data = data[end:]
    return found


def _port(server: asyncio.Server | None) -> int:
    if server is None:
        raise RuntimeError("not started")
    return int(server.sockets[0].getsockname()[1])
