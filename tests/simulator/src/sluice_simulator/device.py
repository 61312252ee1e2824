"""One simulated device: power, ports, sleep, reboot, death, and how its parts hang together.

What it is asked is in `service`, its upgrades in `upgrade`, its registration in `registration`.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from sluice_simulator import packet as coap
from sluice_simulator.coap import Endpoint, Memory
from sluice_simulator.coverage import Window
from sluice_simulator.dice import Dice
from sluice_simulator.download import Image, PackageUri, UriError
from sluice_simulator.firmware import Firmware, State
from sluice_simulator.fleet import DeviceSpec, Result, Tuning
from sluice_simulator.link import Address, Link, resolve
from sluice_simulator.objects import Objects
from sluice_simulator.observation import Observation
from sluice_simulator.packet import Option, Packet
from sluice_simulator.registration import Registration
from sluice_simulator.service import STATE, Service
from sluice_simulator.timeline import Timeline, What
from sluice_simulator.upgrade import Upgrade


@dataclass(frozen=True, slots=True)
class World:
    """What all devices of a fleet share.

    Attributes:
        loop: The event loop.
        seed: Of all chance.
        server: Where to register.
        tuning: Of CoAP and the registration.
        check: Whether a downloaded image is what it should be; None trusts every image.
    """

    loop: asyncio.AbstractEventLoop
    seed: int
    server: Address
    tuning: Tuning
    check: Callable[[Image], bool] | None = None


class Device:
    """One device; `start` begins its life.

    Args:
        world: What it shares.
        spec: What it is.

    Attributes:
        spec: What it is.
        timeline: What happened to it.
        registration: Its place at the server.
        upgrade: Its upgrades so far.
        firmware: Its object 5 now.
        dead: Whether it fell silent for ever.
    """

    __slots__ = (
        "_air",
        "_dice",
        "_elsewhere",
        "_endpoint",
        "_former",
        "_link",
        "_memory",
        "_objects",
        "_observation",
        "_restart",
        "_service",
        "_world",
        "dead",
        "firmware",
        "registration",
        "spec",
        "timeline",
        "upgrade",
    )

    def __init__(self, world: World, spec: DeviceSpec) -> None:
        self._world = world
        self.spec = spec
        self.dead = False
        self.timeline = Timeline(spec.endpoint)
        self._dice = Dice(world.seed, spec.index, "life")
        self._air = Dice(world.seed, spec.index, "air")
        self.firmware = Firmware(spec.version)
        self.registration = Registration(world.loop, spec, world.tuning, self._dice, self)
        self._objects = Objects(spec, self.firmware, self.registration)
        self._observation = Observation(
            lambda content_format: self._objects.encode(STATE, content_format),
            confirmable=spec.dialect.confirmable,
        )
        self.upgrade = Upgrade(
            world.loop,
            spec,
            self,
            firmware=self.firmware,
            observation=self._observation,
            timeline=self.timeline,
            check=world.check,
        )
        self._service = Service(
            dialect=spec.dialect,
            objects=self._objects,
            observation=self._observation,
            upgrade=self.upgrade,
            registration=self.registration,
            timeline=self.timeline,
            reboot=self.reboot,
        )
        self._memory = Memory(self._dice.bits() & 0xFFFF)
        self._endpoint: Endpoint | None = None
        self._link: Link | None = None
        self._former: Link | None = None
        self._elsewhere: tuple[Link, Endpoint] | None = None
        self._restart: asyncio.TimerHandle | None = None

    @property
    def awake_until(self) -> float:
        """Monotonic time up to which it listens; 0 for one without power."""
        if self._endpoint is None or self._link is None:
            return 0.0
        return math.inf if self._link.busy else self._link.awake_until

    @property
    def window(self) -> Window | None:
        """Cell and class as it last reported them."""
        return self._objects.window

    def start(self) -> None:
        """Switch it on, unless it is one that never comes online."""
        if self.spec.online:
            self._boot(self._open_link())

    def close(self) -> None:
        """Switch it off and give its ports back."""
        self._power_off()
        for link in (self._link, self._former):
            if link is not None:
                link.close()
        self._link = self._former = None

    def die(self) -> None:
        """Fall silent for ever; the port stays bound, so that nobody is told."""
        self._note(What.DIED)
        self.dead = True
        self._power_off()
        if self._link is not None:
            self._link.silence()

    def reboot(self) -> None:
        """Silence for a while, then a new start; only some dialects keep their observation over it."""
        self._note(What.REBOOTED)
        self._power_off()
        if not self.spec.dialect.keeps_observation:
            self._observation.cancel()
        self._restart = self._world.loop.call_later(self.spec.pace.reboot_seconds, self._come_back)

    def keep_awake(self, *, busy: bool) -> None:
        """Listen without a pause, or only as long as the rhythm says."""
        if self._link is not None:
            self._link.busy = busy

    def send(
        self,
        code: int,
        options: list[Option],
        payload: bytes,
        done: Callable[[Packet | None], None],
    ) -> None:
        """Send a request to the server."""
        if self._endpoint is not None:
            self._endpoint.request(code, coap.encode_options(options), payload, done)

    def registered(self) -> None:
        """The server knows the device; after a reboot a kept observer hears what it has missed."""
        if self._observation.endpoint is None:
            self._observation.restart(self._endpoint)
            if self._observation.token is not None:
                self._observation.changed()

    def may_report(self) -> bool:
        """Wake up for a report, at some with a new port; False if the device reboots instead."""
        if self._reboots_now():
            self.reboot()
            return False
        link, now = self._link, time.monotonic()
        if link is not None and not link.busy and link.awake_until < now:
            self.timeline.slept(link.awake_until, now, self.upgrade.attempt)
            if self.spec.rhythm.rebinds:
                self._rebind()
        return True

    def download_endpoint(self, uri: PackageUri) -> Endpoint:
        """The endpoint that fetches this URI: the one of the registration wherever that leads to the same server.

        Raises:
            UriError: The host cannot be resolved.
        """
        if self._endpoint is not None and self.spec.dialect.ignores_uri_host:
            return self._endpoint
        try:
            address = resolve(uri.host, uri.port)
        except (OSError, UnicodeError):
            raise UriError(Result.INVALID_URI) from None
        if self._endpoint is not None and address == self._world.server:
            return self._endpoint
        return self._open_elsewhere(address)

    def _come_back(self) -> None:
        self._restart = None
        if self.spec.moves_to is not None and self.upgrade.attempt:
            self._objects.cell = self.spec.moves_to
        self.upgrade.booted()
        if self._link is None or self.spec.rhythm.rebinds:
            self._boot(self._open_link())
        else:
            self._boot(self._link)

    def _boot(self, link: Link) -> None:
        self._endpoint = self._new_endpoint(link, self._memory)
        self.registration.register()

    def _power_off(self) -> None:
        self.upgrade.halt()
        self.registration.stop()
        self._observation.restart(None)
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None
        self._close_elsewhere()

    def _open_link(self) -> Link:
        """Take a new local port; the one before stays bound and silent, as behind a NAT."""
        if self._former is not None:
            self._former.close()
        self._former = self._link
        if self._former is not None:
            self._former.silence()
        awake_seconds = self.spec.rhythm.awake_seconds
        self._link = self._new_link(self._world.server, awake_seconds)
        return self._link

    def _rebind(self) -> None:
        link = self._open_link()
        if self._endpoint is not None:
            self._endpoint.link = link
            link.received = self._endpoint.received

    def _open_elsewhere(self, address: Address) -> Endpoint:
        self._close_elsewhere()
        link = self._new_link(address, None)
        endpoint = self._new_endpoint(link, None)
        self._elsewhere = link, endpoint
        return endpoint

    def _close_elsewhere(self) -> None:
        if self._elsewhere is not None:
            link, endpoint = self._elsewhere
            endpoint.close()
            link.close()
            self._elsewhere = None

    def _new_link(self, remote: Address, awake_seconds: float | None) -> Link:
        return Link(self._world.loop, remote, self.spec.radio, awake_seconds, self._air)

    def _new_endpoint(self, link: Link, memory: Memory | None) -> Endpoint:
        endpoint = Endpoint(
            self._world.loop,
            link,
            self._world.tuning,
            self._dice,
            self._service.serve,
            answer_delay=self.spec.pace.answer_delay_seconds,
            memory=memory,
        )
        link.received = endpoint.received
        return endpoint

    def _reboots_now(self) -> bool:
        rhythm = self.spec.rhythm
        if not rhythm.idle_reboot_seconds or self.firmware.state is not State.IDLE:
            return False
        return self._dice.chance(min(rhythm.report_seconds / rhythm.idle_reboot_seconds, 1.0))

    def _note(self, what: What) -> None:
        self.timeline.add(time.monotonic(), what, self.upgrade.attempt)
