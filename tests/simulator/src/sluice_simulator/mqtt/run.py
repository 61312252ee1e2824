"""A fleet of MQTT devices that runs."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from sluice_simulator.mqtt.device import MqttDevice, MqttWorld
from sluice_simulator.mqtt.fleet import Identity, MqttPlan
from sluice_simulator.mqtt.ota import ResultCode
from sluice_simulator.run import ServerAddressError, raise_file_limit
from sluice_simulator.timeline import Timeline

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_SPARE_FILES: Final = 64


@dataclass(frozen=True, slots=True)
class MqttCounts:
    """The fleet at one moment.

    Attributes:
        devices: All.
        online: Logged in.
        downloading: Fetching an image.
        updated: Attempts that succeeded.
        failed: Attempts that failed.
        dead: Silent for ever.
    """

    devices: int
    online: int
    downloading: int
    updated: int
    failed: int
    dead: int

    def as_dict(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


class MqttFleet:
    """Devices of a plan in this event loop.

    Args:
        plan: Its devices.
        broker: `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`.
        identities: By endpoint name; a device without one is left out.
        image_sha256: Of the only image that they accept, hex; None trusts each offer.
        trust: Certificate authorities of the broker and of downloads; None for the system's.
        starts_per_second: Devices switched on per second.

    Raises:
        ServerAddressError: The broker cannot be named.
    """

    def __init__(
        self,
        plan: MqttPlan,
        broker: str,
        identities: Mapping[str, Identity],
        *,
        image_sha256: str | None = None,
        trust: ssl.SSLContext | None = None,
        starts_per_second: float = 500.0,
    ) -> None:
        self.plan = plan
        self._address = broker_address(broker)
        self._identities = identities
        self._image_sha256 = image_sha256
        self._trust = trust
        self._starts_per_second = starts_per_second
        self._devices: list[MqttDevice] = []

    @property
    def devices(self) -> list[MqttDevice]:
        """Those switched on so far."""
        return self._devices

    async def start(self) -> None:
        """Switch the devices on one after the other; those that are on live meanwhile."""
        raise_file_limit(2 * len(self.plan.devices) + _SPARE_FILES)
        host, port, secured = self._address
        tls = (self._trust or ssl.create_default_context()) if secured else None
        world = MqttWorld(asyncio.get_running_loop(), self.plan.seed, host, port, tls, self._trust, self._image_sha256)
        begin = time.monotonic()
        specs = [spec for spec in self.plan.devices if spec.endpoint in self._identities]
        for number, spec in enumerate(specs):
            ahead = number / self._starts_per_second - (time.monotonic() - begin)
            if ahead > 0:
                await asyncio.sleep(ahead)
            device = MqttDevice(world, spec, self._identities[spec.endpoint])
            self._devices.append(device)
            device.start()

    async def stop(self) -> None:
        """Switch all devices off; a `start` that still runs must have been cancelled."""
        for device in self._devices:
            device.close()
        await asyncio.sleep(0)

    def timelines(self) -> list[Timeline]:
        """What has happened so far, a copy, in the order of the plan."""
        return [replace(device.timeline, events=list(device.timeline.events)) for device in self._devices]

    def counts(self) -> MqttCounts:
        """The fleet now."""
        results: Counter[ResultCode] = Counter()
        for device in self._devices:
            results.update(device.upgrade.results or {})
        return MqttCounts(
            devices=len(self.plan.devices),
            online=sum(device.online for device in self._devices),
            downloading=sum(device.upgrade.downloading for device in self._devices),
            updated=results[ResultCode.SUCCESS],
            failed=sum(results.values()) - results[ResultCode.SUCCESS],
            dead=sum(device.dead for device in self._devices),
        )


def broker_address(uri: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is spoken there.

    Raises:
        ServerAddressError: No such URI.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise ServerAddressError(f"{uri}: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ServerAddressError(f"{uri}: must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    return parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts"
