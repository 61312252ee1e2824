"""Part of `bench windows`: what a task of 100,000 devices costs per device, against tasks of 1,000.

The relay expands tasks that were created over HTTP on a real Kafka and a real MongoDB-wire server; the figure is the
relay's processor time from the creation of the task until it runs. Constant memory: the most that the relay holds
during the large task, against the most during the small ones.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import psutil
from rich.console import Console

from sluice_demo.client import PlatformClient, PlatformError
from sluice_demo.firmware import SignedPackage, make_package
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

SMALL: Final = 1_000
TARGET_RATIO: Final = 1.3
"""Most that a device of the large task may cost, in costs of one of a small task."""
TARGET_GROWTH_MIB: Final = 32.0
"""Most memory that the large task may need beyond what the small ones do: less than a tenth of its devices' data."""
_SMALL_TASKS: Final = 5
_BULK: Final = 1_000
"""Devices of one upload."""
_SLOWEST: Final = 3_600.0
_VERSION = "2.0.0"
_MANUFACTURER, _MODEL = "Sluice", "Meter"
_RELAY = "relay"
_SERVICES = frozenset({"kafka", "mongodb", "api", "signing", "projector", _RELAY})
"""Signing and projector take the package in."""


def measure_expansion(port_base: int, devices: int, console: Console) -> dict[str, Any]:
    """Return the figures of one large task and of small ones."""
    settings = EmbeddedSettings(state_dir=HOME / "bench" / "expansion", port_base=port_base)
    reset(settings)
    with Stack(settings, services=_SERVICES, progress=lambda text: console.print(text, style="dim")) as stack:
        return asyncio.run(_figures(stack, settings, devices, console))


async def _figures(stack: Stack, settings: EmbeddedSettings, devices: int, console: Console) -> dict[str, Any]:
    async with tenant(stack, settings) as owner:
        await owner.expand(SMALL)  # warms up
        small = [await owner.expand(SMALL) for _ in range(_SMALL_TASKS)]
        console.print(f"Adding {devices} devices.", style="dim")
        large = await owner.expand(devices)
    per_device = statistics.median(cpu / SMALL for cpu, _ in small) * 1e6, large[0] / devices * 1e6
    ratio = per_device[1] / per_device[0]
    growth = large[1] - max(memory for _, memory in small)
    return {
        f"us_per_device_of_{SMALL}": round(per_device[0], 1),
        f"us_per_device_of_{devices}": round(per_device[1], 1),
        "ratio": round(ratio, 2),
        "target_ratio": TARGET_RATIO,
        "memory_mib": round(large[1], 1),
        "memory_growth_mib": round(growth, 1),
        "target_growth_mib": TARGET_GROWTH_MIB,
        "met": ratio <= TARGET_RATIO and growth <= TARGET_GROWTH_MIB,
    }


class Tenant:
    """An app with a product and a verified package, and the relay that expands its tasks.

    Attributes:
        client: The app's session.
        product_id: The product.
        package: The package, which belongs to it.
        group_id: The group of the devices that were added last.
    """

    def __init__(
        self, stack: Stack, client: PlatformClient, product_id: str, package: SignedPackage, package_id: str
    ) -> None:
        self.client = client
        self.product_id = product_id
        self.package = package
        self._stack = stack
        self._package_id = package_id
        self._groups = 0
        self.group_id = ""

    async def expand(self, devices: int) -> tuple[float, float]:
        """Add devices, create a task for them, and return the relay's seconds of CPU and its most memory, MiB."""
        self._groups += 1
        group = (await self.client.create("/groups", {"name": f"group-{self._groups}"}))["group_id"]
        self.group_id = str(group)
        for first in range(0, devices, _BULK):
            numbers = range(first, min(first + _BULK, devices))
            await self.client.add_devices(self._device(f"{self._groups}-{number}", group) for number in numbers)
        before = self._cpu()
        task = await self.client.create(
            "/tasks", {"name": "bench", "package_id": self._package_id, "targets": {"group_ids": [group]}}
        )
        memory = await self._until_running(task["task_id"])
        return self._cpu() - before, memory

    async def _until_running(self, task_id: str) -> float:
        relay, memory = psutil.Process(self._stack.pid(_RELAY)), 0.0
        async with asyncio.timeout(_SLOWEST):
            while (await self.client.get(f"/tasks/{task_id}"))["status"] != "RUNNING":
                for _ in range(5):
                    memory = max(memory, relay.memory_info().rss / 2**20)
                    await asyncio.sleep(0.02)
        return memory

    def _device(self, endpoint: str, group: str) -> dict[str, Any]:
        return {"endpoint": endpoint, "product_id": self.product_id, "group_ids": [group]}

    def _cpu(self) -> float:
        return self._stack.cpu_seconds()[_RELAY]


@asynccontextmanager
async def tenant(stack: Stack, settings: EmbeddedSettings) -> AsyncIterator[Tenant]:
    """Make a product and a verified package of the first app, and yield that app until the block ends.

    Raises:
        PlatformError: The platform refused something or was far too slow.
    """
    ends = stack.endpoints
    try:
        async with PlatformClient.log_in(ends.api, ends.app_id, ends.app_secret) as client:
            package = await asyncio.to_thread(
                make_package, settings.state_dir, _VERSION, 1024, 1, manufacturer=_MANUFACTURER, models=(_MODEL,)
            )
            product = await client.create(
                "/products",
                {
                    "manufacturer": _MANUFACTURER,
                    "model": _MODEL,
                    "device_type": "Meter",
                    "protocol": "LWM2M",
                    "maintenance": {"firmware_upgrade": True, "upgrade_protocol": "LWM2M"},
                },
            )
            await client.create("/public-keys", {"manufacturer": _MANUFACTURER, "pem": package.public_pem})
            package_id = await client.upload_package(
                package.path, version=_VERSION, product_id=product["product_id"], source_versions=[]
            )
            await client.wait_verified(package_id)
            yield Tenant(stack, client, product["product_id"], package, package_id)
    except TimeoutError as error:
        raise PlatformError("the relay did not expand the task in time") from error
