"""One simulated MQTT device: power, connection, reports that must arrive, and what it answers."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sluice_simulator.dice import Dice
from sluice_simulator.mqtt import ota
from sluice_simulator.mqtt.connection import Connection
from sluice_simulator.mqtt.fleet import Identity, MqttSpec
from sluice_simulator.mqtt.ota import Offer, OfferError, ResultCode, Stamp
from sluice_simulator.mqtt.upgrade import Upgrade
from sluice_simulator.timeline import Timeline, What

_BACKOFF_DOUBLINGS: Final = 5


@dataclass(frozen=True, slots=True)
class MqttWorld:
    """What all devices of a fleet share.

    Attributes:
        loop: The event loop.
        seed: Of all chance.
        host: Of the broker.
        port: Of the broker.
        broker_tls: For its TLS listener; None for plain TCP.
        download_tls: For `https` downloads; None for the system's trust.
        image_sha256: Of the only image that devices accept, whatever the offer says; None trusts the offer.
    """

    loop: asyncio.AbstractEventLoop
    seed: int
    host: str
    port: int
    broker_tls: ssl.SSLContext | None = None
    download_tls: ssl.SSLContext | None = None
    image_sha256: str | None = None


class MqttDevice:
    """One device; `start` begins its life.

    Args:
        world: What it shares.
        spec: What it is.
        identity: What the platform calls it.

    Attributes:
        spec: What it is.
        timeline: What happened to it.
        upgrade: Its upgrades so far.
        dead: Whether it fell silent for ever.
        logins: Log-ins that were accepted so far.
        refused: Why it is offline, as the broker or the system said; empty while it is online.
    """

    __slots__ = (
        "_connecting",
        "_connection",
        "_dice",
        "_failures",
        "_identity",
        "_timer",
        "_unheard",
        "_world",
        "dead",
        "logins",
        "refused",
        "spec",
        "timeline",
        "upgrade",
    )

    def __init__(self, world: MqttWorld, spec: MqttSpec, identity: Identity) -> None:
        self._world = world
        self.spec = spec
        self._identity = identity
        self._dice = Dice(world.seed, spec.index, "mqtt")
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unheard: dict[int, bytes] | None = None
        self._failures = 0
        self.dead = False
        self.logins = 0
        self.refused = ""
        self.timeline = Timeline(spec.endpoint)
        self.upgrade = Upgrade(spec, self, self.timeline, world.download_tls, world.image_sha256)

    @property
    def online(self) -> bool:
        """Return whether it is logged in."""
        return self._connection is not None and self._connection.accepted

    def start(self) -> None:
        """Switch it on, unless it is one that never comes online."""
        if self.spec.online:
            self._connect()

    def close(self) -> None:
        """Switch it off."""
        self.upgrade.halt()
        self._drop_timer()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def connected(self) -> None:
        """Logged in: send what has not been heard yet."""
        self._failures = 0
        self.logins += 1
        self.refused = ""
        unheard, self._unheard = self._unheard, None
        for payload in (unheard or {}).values():
            self._send(payload, keep=True)
        if self.spec.manner.chatty:
            for payload in ota.chatter(self._stamp()):
                self._send(payload)

    def received(self, topic: str, payload: bytes) -> None:
        """Act on the events of the upgrade service; all others are none of its business."""
        if topic != ota.down_topic(self._identity.device_id):
            return
        for kind, paras in ota.events(payload):
            if kind == ota.VERSION_QUERY and not self.spec.mute:
                self.report_version()
            elif kind == ota.FIRMWARE_UPGRADE:
                with contextlib.suppress(OfferError):
                    self.upgrade.offered(Offer.parse(paras))

    def acknowledged(self, packet_id: int) -> None:
        """The broker has a report."""
        if self._unheard and self._unheard.pop(packet_id, None) is not None and not self._unheard:
            self._unheard = None
            self.upgrade.note(What.RESULT_REPORTED)

    def lost(self, reason: str) -> None:
        """Come back after a while, later after each failure."""
        self.refused = reason
        self._connection = None
        self._connect_later()

    def report(self, result: ResultCode, progress: int, version: str, *, final: bool = False) -> None:
        """Send an `upgrade_progress_report`; a final one until the broker has it."""
        payload = ota.progress_report(self._stamp(), result, progress, version)
        self._send(payload, keep=final)

    def reconnect(self) -> None:
        """Break the connection and make a new one after a while."""
        self._cut()
        self._connect_later()

    def block(self, *, blocked: bool) -> None:
        """Leave the connection alone, or take care of it again."""
        if self._connection is not None:
            self._connection.block(blocked=blocked)

    def die(self) -> None:
        """Fall silent for ever."""
        self.upgrade.note(What.DIED)
        self.dead = True
        self.upgrade.halt()
        self._drop_timer()
        self._cut()

    async def reboot(self) -> None:
        """Be silent for a while, then connect anew."""
        self.upgrade.note(What.REBOOTED)
        self._drop_timer()
        self._cut()
        await asyncio.sleep(self.spec.pace.reboot_seconds)
        self._connect()

    def _connect(self) -> None:
        self._timer = None
        self._connecting = self._world.loop.create_task(self._open())

    async def _open(self) -> None:
        log_in = ota.log_in(
            self._identity.device_id,
            self._identity.secret,
            datetime.now(UTC),
            checks_time=self.spec.manner.checks_time,
        )
        world = self._world
        connection = Connection(world.loop, self, log_in, self.spec.pace.keep_alive)
        self._connection = connection
        try:
            await world.loop.create_connection(lambda: connection, world.host, world.port, ssl=world.broker_tls)
        except OSError as error:
            if self._connection is connection:
                self.lost(str(error))
        finally:
            self._connecting = None

    def _connect_later(self) -> None:
        self._drop_timer()
        wait = self.spec.pace.reconnect_seconds * 2**self._failures * self._dice.between(1.0, 1.5)
        self._failures = min(self._failures + 1, _BACKOFF_DOUBLINGS)
        self._timer = self._world.loop.call_later(wait, self._connect)

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        if self._connection is not None:
            self._connection.cut()
            self._connection = None

    def report_version(self) -> bool:
        """Send a `version_report`, asked or not; False if it could not be sent."""
        last = self.timeline.events[-1].what if self.timeline.events else None
        if last is not What.VERSION_REPORTED:
            self.upgrade.note(What.VERSION_REPORTED)
        return self._send(ota.version_report(self._stamp(), self.upgrade.version))

    def _send(self, payload: bytes, *, keep: bool = False) -> bool:
        """Publish, and tell whether it went out.

        What is to be kept is sent again with the next connection until the broker has it.
        """
        topic = ota.up_topic(self._identity.device_id)
        packet_id = self._connection.publish(topic, payload) if self._connection is not None else 0
        if keep:
            self._unheard = self._unheard or {}
            # Without a connection it waits under a number that no packet has.
            self._unheard[packet_id or -1 - len(self._unheard)] = payload
        return packet_id > 0

    def _stamp(self) -> Stamp:
        manner = self.spec.manner
        event_id = UUID(int=self._dice.bits() << 64 | self._dice.bits(), version=4) if manner.event_ids else None
        written = ota.written_time(datetime.now(UTC), dashes=manner.dashes)
        return Stamp(self._identity.device_id, written, event_id)
