"""A fleet that runs: what the demo, the benchmarks and the command line embed."""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit

from sluice_simulator.device import Device, World
from sluice_simulator.download import Image
from sluice_simulator.firmware import State
from sluice_simulator.fleet import FleetPlan, Result
from sluice_simulator.link import Address, resolve
from sluice_simulator.timeline import Timeline

_DEFAULT_PORT = 5683
_LEAVE_SECONDS = 0.5
_SPARE_FILES = 64


class ServerAddressError(ValueError):
    """The server is not named as `coap://HOST[:PORT]`, or its name cannot be resolved."""


def server_address(uri: str) -> Address:
    """Where a fleet registers.

    Raises:
        ServerAddressError: No such URI or no such host.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise ServerAddressError(f"{uri}: {error}") from error
    if parts.scheme != "coap" or not parts.hostname:
        raise ServerAddressError(f"{uri}: must be coap://HOST[:PORT]")
    try:
        return resolve(parts.hostname, port)
    except OSError as error:
        raise ServerAddressError(f"{parts.hostname}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Counts:
    """The fleet at one moment: devices, and attempts so far.

    Attributes:
        devices: All.
        registered: With a registration.
        awake: Listening now.
        waiting: Between the report of coverage and the Package URI.
        downloading: `/5/0/3` is 1.
        downloaded: `/5/0/3` is 2.
        updating: `/5/0/3` is 3.
        updated: Attempts that succeeded.
        failed: Attempts that failed.
        dead: Silent for ever.
    """

    devices: int
    registered: int
    awake: int
    waiting: int
    downloading: int
    downloaded: int
    updating: int
    updated: int
    failed: int
    dead: int

    def as_dict(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


class Fleet:
    """Devices of a plan in this event loop.

    Args:
        plan: Its devices.
        servers: `coap://HOST[:PORT]`, over which the devices are spread evenly; each stays with its own.
        check: Whether a downloaded image is what it should be; None trusts every image.
        starts_per_second: Devices switched on per second.

    Raises:
        ServerAddressError: The server cannot be named.
        ValueError: `starts_per_second` is not above 0, or there is no server.
    """

    def __init__(
        self,
        plan: FleetPlan,
        *servers: str,
        check: Callable[[Image], bool] | None = None,
        starts_per_second: float = 500.0,
    ) -> None:
        if starts_per_second <= 0:
            raise ValueError("starts_per_second must be above 0")
        if not servers:
            raise ValueError("devices need a server")
        self.plan = plan
        self._servers = [server_address(server) for server in servers]
        self._check = check
        self._starts_per_second = starts_per_second
        self._devices: list[Device] = []

    @property
    def devices(self) -> list[Device]:
        """Those switched on so far."""
        return self._devices

    async def start(self) -> None:
        """Switch the devices on one after the other; those that are on live meanwhile.

        Raises:
            OSError: Too few file descriptors for so many devices.
        """
        raise_file_limit(2 * len(self.plan.devices) + _SPARE_FILES)
        loop = asyncio.get_running_loop()
        worlds = [World(loop, self.plan.seed, server, self.plan.tuning, self._check) for server in self._servers]
        begin = time.monotonic()
        for number, spec in enumerate(self.plan.devices):
            ahead = number / self._starts_per_second - (time.monotonic() - begin)
            if ahead > 0:
                await asyncio.sleep(ahead)
            device = Device(worlds[number % len(worlds)], spec)
            self._devices.append(device)
            device.start()

    async def stop(self, *, deregister: bool = False) -> None:
        """Switch all devices off; a `start` that still runs must have been cancelled.

        Args:
            deregister: Whether they take leave of the server first.
        """
        if deregister:
            for device in self._devices:
                device.registration.deregister()
            await asyncio.sleep(_LEAVE_SECONDS)
        for device in self._devices:
            device.close()

    def timelines(self) -> list[Timeline]:
        """What has happened so far, a copy, in the order of the plan."""
        return [
            replace(device.timeline, events=list(device.timeline.events), awake_until=device.awake_until)
            for device in self._devices
        ]

    def counts(self) -> Counts:
        """The fleet now."""
        now, results = time.monotonic(), self.results()
        states = Counter(device.firmware.state for device in self._devices if not device.dead)
        return Counts(
            devices=len(self.plan.devices),
            registered=sum(device.registration.location is not None for device in self._devices),
            awake=sum(device.awake_until > now for device in self._devices),
            waiting=sum(device.timeline.waiting and not device.dead for device in self._devices),
            downloading=states[State.DOWNLOADING],
            downloaded=states[State.DOWNLOADED],
            updating=states[State.UPDATING],
            updated=results[Result.SUCCESS],
            failed=sum(results.values()) - results[Result.SUCCESS],
            dead=sum(device.dead for device in self._devices),
        )

    def results(self) -> Counter[Result]:
        """Attempts by the Update Result that they ended with at the devices."""
        total: Counter[Result] = Counter()
        for device in self._devices:
            total.update(device.upgrade.results)
        return total


def raise_file_limit(needed: int) -> None:
    """Allow this process as many sockets as it may have at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
