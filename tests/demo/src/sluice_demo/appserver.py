"""What an app server does before and during a campaign, over HTTP only.

It makes an app of its own, then everything below it; nothing that was on the platform before is touched.
"""

import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from sluice_demo.client import PlatformClient
from sluice_demo.firmware import SignedPackage
from sluice_demo.products import MANUFACTURER, MODEL, MODEL_WITHOUT_UPGRADE, MQTT_MODEL, ONE_BASED_MODEL
from sluice_simulator.mqtt.fleet import Identity

_MQTT_GROUPS = {"mqtt": MQTT_MODEL, "mqtt-to-stop": MQTT_MODEL, "mqtt-one-based": ONE_BASED_MODEL}
"""Groups of MQTT devices and the product models of each."""


@dataclass(frozen=True)
class Fleet:
    """The devices as the app server knows them, by endpoint name.

    Attributes:
        main: Those that shall upgrade.
        to_stop: Those whose upgrade shall be stopped.
        incapable: Those among `main` whose product model does not support upgrades (R015).
    """

    main: Sequence[str]
    to_stop: Sequence[str]
    incapable: frozenset[str]


@dataclass(frozen=True)
class MqttFleet:
    """The MQTT devices as the app server knows them, by node id.

    Attributes:
        main: Those that shall upgrade.
        to_stop: Those whose upgrade shall be stopped.
        one_based: Those that shall upgrade and count ranges from 1.
    """

    main: Sequence[str]
    to_stop: Sequence[str]
    one_based: Sequence[str] = ()

    def groups(self) -> dict[str, Sequence[str]]:
        """Return the devices of each group."""
        return {"mqtt": self.main, "mqtt-to-stop": self.to_stop, "mqtt-one-based": self.one_based}


class AppServer:
    """An app's session, from log-in to tasks; use `register` to get one.

    Attributes:
        client: The session.
        groups: Group ids by name.
    """

    def __init__(self, client: PlatformClient) -> None:
        self.client = client
        self._products: dict[str, str] = {}
        self.groups: dict[str, str] = {}
        self._packages: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def register(cls, api_url: str, admin_password: str) -> AsyncIterator[Self]:
        """Have the admin make an app of a new name, and be logged in as that app until the block ends."""
        async with PlatformClient.log_in(api_url, "admin", admin_password) as admin:
            app = await admin.create("/apps", {"name": f"demo-{uuid.uuid4().hex[:8]}"})
        async with PlatformClient.log_in(api_url, app["client_id"], app["client_secret"]) as client:
            yield cls(client)

    async def add_products(self) -> None:
        """Create two product models, one that supports firmware upgrade and one that does not."""
        for model, upgrade in ((MODEL, True), (MODEL_WITHOUT_UPGRADE, False)):
            maintenance = {"firmware_upgrade": upgrade, "upgrade_protocol": "LWM2M" if upgrade else None}
            product = await self.client.create(
                "/products",
                {
                    "manufacturer": MANUFACTURER,
                    "model": model,
                    "device_type": "Meter",
                    "protocol": "LWM2M",
                    "maintenance": maintenance,
                },
            )
            self._products[model] = product["product_id"]

    async def add_mqtt_product(self, *, one_based: bool = False) -> None:
        """Create a product model of MQTT devices that support firmware upgrade, and maybe count ranges from 1."""
        model = ONE_BASED_MODEL if one_based else MQTT_MODEL
        product = await self.client.create(
            "/products",
            {
                "manufacturer": MANUFACTURER,
                "model": model,
                "device_type": "Gateway",
                "protocol": "MQTT",
                "maintenance": {"firmware_upgrade": True},
                "one_based_ranges": one_based,
            },
        )
        self._products[model] = product["product_id"]

    async def add_package(self, package: SignedPackage, version: str, source_versions: Iterable[str]) -> None:
        """Upload the public key and the signed package, and wait until the platform has verified it.

        Args:
            package: The package.
            version: Its version.
            source_versions: Versions from which it may be installed; `*` and `?` are wildcards.
        """
        await self._add_package([MODEL], package, version, list(source_versions))

    async def add_mqtt_package(self, package: SignedPackage, version: str, source_versions: Iterable[str]) -> None:
        """Do the same with the package of the MQTT devices, once for each product model that there is."""
        models = [model for model in (MQTT_MODEL, ONE_BASED_MODEL) if model in self._products]
        await self._add_package(models, package, version, list(source_versions))

    async def add_fleet(self, fleet: Fleet) -> None:
        """Create a group for each task and all devices in them."""
        for name in ("main", "to-stop"):
            group = await self.client.create("/groups", {"name": name})
            self.groups[name] = group["group_id"]
        await self.client.add_devices(self._device(endpoint, "main", fleet) for endpoint in fleet.main)
        if fleet.to_stop:
            await self.client.add_devices(self._device(endpoint, "to-stop", fleet) for endpoint in fleet.to_stop)

    async def add_mqtt_fleet(self, fleet: MqttFleet) -> dict[str, Identity]:
        """Create a group for each task of MQTT devices and all devices in them; return what the platform gave each."""
        identities: dict[str, Identity] = {}
        for name, endpoints in fleet.groups().items():
            if endpoints:
                group = await self.client.create("/groups", {"name": name})
                self.groups[name] = group["group_id"]
                made = await self.client.add_devices(self._mqtt_device(endpoint, name) for endpoint in endpoints)
                identities |= {one["endpoint"]: Identity(one["device_id"], one["mqtt_secret"]) for one in made}
        return identities

    async def subscribe(self, url: str, secret: str) -> None:
        """Have results of executions called back, signed with a secret."""
        body = {"event": "execution_result", "callback_url": url, "secret": secret}
        await self.client.create("/subscriptions", body)

    async def create_task(self, group: str, policy: Mapping[str, Any]) -> str:
        """Create an upgrade task for a group and return its id; the group's devices decide which package it takes."""
        model = _MQTT_GROUPS.get(group, MODEL)
        task = await self.client.create(
            "/tasks",
            {
                "name": f"demo {group}",
                "package_id": self._packages.get(model, ""),
                "targets": {"group_ids": [self.groups[group]]},
                "policy": policy,
            },
        )
        return str(task["task_id"])

    async def stop_task(self, task_id: str) -> None:
        """Stop a task."""
        await self.client.create(f"/tasks/{task_id}/stop", {})

    async def _add_package(
        self, models: Iterable[str], package: SignedPackage, version: str, source_versions: list[str]
    ) -> None:
        await self.client.create("/public-keys", {"manufacturer": MANUFACTURER, "pem": package.public_pem})
        for model in models:
            package_id = await self.client.upload_package(
                package.path, version=version, product_id=self._products[model], source_versions=source_versions
            )
            await self.client.wait_verified(package_id)
            self._packages[model] = package_id

    def _mqtt_device(self, endpoint: str, group: str) -> dict[str, Any]:
        product = self._products[_MQTT_GROUPS[group]]
        return {"endpoint": endpoint, "product_id": product, "group_ids": [self.groups[group]]}

    def _device(self, endpoint: str, group: str, fleet: Fleet) -> dict[str, Any]:
        model = MODEL_WITHOUT_UPGRADE if endpoint in fleet.incapable else MODEL
        return {"endpoint": endpoint, "product_id": self._products[model], "group_ids": [self.groups[group]]}
