"""Which request of the platform goes where in a device: Read, Observe, Write, Execute (OMA TS 1.1.1 §6.3 and §6.4)."""

import time
from collections.abc import Callable
from typing import Final

from sluice_simulator import encodings
from sluice_simulator import packet as coap
from sluice_simulator.coap import Reply
from sluice_simulator.dialects import Dialect
from sluice_simulator.encodings import ContentError
from sluice_simulator.objects import Objects
from sluice_simulator.observation import Observation
from sluice_simulator.packet import Packet
from sluice_simulator.registration import Registration
from sluice_simulator.timeline import Timeline
from sluice_simulator.upgrade import Upgrade

PACKAGE_URI: Final = "/5/0/1"
UPDATE: Final = "/5/0/2"
STATE: Final = "/5/0/3"
RESULT: Final = "/5/0/5"
LIFETIME: Final = "/1/0/1"
REBOOT: Final = "/3/0/4"
REGISTRATION_UPDATE: Final = "/1/0/8"


class Service:
    """Serves the requests to one device.

    Args:
        dialect: What it reads and writes.
        objects: What can be read.
        observation: Who observes the state.
        upgrade: Takes Package URI and Execute.
        registration: Takes lifetime and trigger.
        timeline: Keeps when coverage was reported.
        reboot: Restarts the device.
    """

    __slots__ = (
        "_dialect",
        "_objects",
        "_observation",
        "_reboot",
        "_registration",
        "_timeline",
        "_upgrade",
    )

    def __init__(
        self,
        *,
        dialect: Dialect,
        objects: Objects,
        observation: Observation,
        upgrade: Upgrade,
        registration: Registration,
        timeline: Timeline,
        reboot: Callable[[], None],
    ) -> None:
        self._dialect = dialect
        self._objects = objects
        self._observation = observation
        self._upgrade = upgrade
        self._registration = registration
        self._timeline = timeline
        self._reboot = reboot

    def serve(self, packet: Packet) -> Reply | None:
        """The answer to a request; None where this device gives none."""
        path = packet.path
        if packet.code == coap.GET:
            return self._read(path, packet)
        if packet.code == coap.PUT:
            return self._write(path, packet)
        if packet.code == coap.POST:
            return self._execute(path)
        return Reply(coap.METHOD_NOT_ALLOWED)

    def _read(self, path: str, packet: Packet) -> Reply | None:
        reply = self._objects.read(path, packet.uint(coap.ACCEPT))
        if reply is None or reply.code != coap.CONTENT:
            return reply
        if path.startswith("/4/0"):
            window = self._objects.window
            if window is not None:
                self._timeline.coverage(time.monotonic(), self._upgrade.attempt, window)
        elif path in {"/5/0", RESULT}:
            return reply._replace(then=self._upgrade.result_read)
        elif path == STATE:
            return self._observe(packet, reply)
        return reply

    def _observe(self, packet: Packet, reply: Reply) -> Reply:
        wish = packet.uint(coap.OBSERVE)
        if wish == 0:
            content_format = int.from_bytes(reply.options[0][1])
            sequence = self._observation.observe(packet.token, content_format)
            return reply._replace(options=((coap.OBSERVE, sequence), *reply.options))
        if wish == 1 and packet.token == self._observation.token:
            self._observation.cancel()
        return reply

    def _write(self, path: str, packet: Packet) -> Reply:
        if path not in {PACKAGE_URI, LIFETIME}:
            return Reply(coap.METHOD_NOT_ALLOWED)
        content_format = packet.uint(coap.CONTENT_FORMAT) or encodings.TEXT
        if content_format not in self._dialect.formats | {encodings.TEXT}:
            return Reply(coap.UNSUPPORTED_FORMAT)
        try:
            text = encodings.decode_string(content_format, packet.payload)
        except ContentError:
            return Reply(coap.BAD_REQUEST)
        return self._upgrade.write_uri(text) if path == PACKAGE_URI else self._set_lifetime(text)

    def _set_lifetime(self, text: str) -> Reply:
        if not (text.isascii() and text.isdecimal()):
            return Reply(coap.BAD_REQUEST)
        self._registration.lifetime = int(text)
        return Reply(coap.CHANGED, then=self._registration.register)

    def _execute(self, path: str) -> Reply:
        if path == UPDATE:
            return self._upgrade.execute()
        if path == REBOOT:
            return Reply(coap.CHANGED, then=self._reboot)
        if path == REGISTRATION_UPDATE:
            return Reply(coap.CHANGED, then=self._registration.report)
        return Reply(coap.METHOD_NOT_ALLOWED)
