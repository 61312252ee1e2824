"""What an app server does before and during a campaign, over HTTP only.

It makes an app of its own, then everything below it; nothing that was on the platform before is touched.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sluice_demo.client import PlatformClient
from sluice_demo.firmware import SignedPackage
from sluice_simulator.mqtt.fleet import Identity

MANUFACTURER = "Sluice"
_MODEL, _MODEL_WITHOUT_UPGRADE = "SimulatedMeter", "SimulatedMeterWithoutUpgrade"
_MQTT_MODEL = "SimulatedGateway"


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
    """

    main: Sequence[str]
    to_stop: Sequence[str]


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
    async def register(cls, api_url: str, admin_password: str) -> Self:
        """Have the admin make an app of a new name, and log in as that app."""
        admin = await PlatformClient.log_in(api_url, "admin", admin_password)
        app = await admin.create("/apps", {"name": f"demo-{uuid.uuid4().hex[:8]}"})
        await admin.close()
        return cls(await PlatformClient.log_in(api_url, app["client_id"], app["client_secret"]))

    async def add_products(self) -> None:
        """Create two product models, one that supports firmware upgrade and one that does not."""
        for model, upgrade in ((_MODEL, True), (_MODEL_WITHOUT_UPGRADE, False)):
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

    async def add_mqtt_product(self) -> None:
        """Create a product model of MQTT devices that support firmware upgrade."""
        product = await self.client.create(
            "/products",
            {
                "manufacturer": MANUFACTURER,
                "model": _MQTT_MODEL,
                "device_type": "Gateway",
                "protocol": "MQTT",
                "maintenance": {"firmware_upgrade": True},
            },
        )
        self._products[_MQTT_MODEL] = product["product_id"]

    async def add_package(self, package: SignedPackage, version: str, source_versions: Iterable[str]) -> None:
        """Upload the public key and the signed package, and wait until the platform has verified it.

        Args:
            package: The package.
            version: Its version.
            source_versions: Versions from which it may be installed; `*` and `?` are wildcards.
        """
        await self._add_package(_MODEL, package, version, source_versions)

    async def add_mqtt_package(self, package: SignedPackage, version: str, source_versions: Iterable[str]) -> None:
        """Do the same with the package of the MQTT devices."""
        await self._add_package(_MQTT_MODEL, package, version, source_versions)

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
        for name, endpoints in (("mqtt", fleet.main), ("mqtt-to-stop", fleet.to_stop)):
            group = await self.client.create("/groups", {"name": name})
            self.groups[name] = group["group_id"]
            product = self._products[_MQTT_MODEL]
            devices = [
                {"endpoint": endpoint, "product_id": product, "group_ids": [self.groups[name]]}
                for endpoint in endpoints
            ]
            if devices:
                made = await self.client.add_devices(devices)
                identities |= {one["endpoint"]: Identity(one["device_id"], one["mqtt_secret"]) for one in made}
        return identities

    async def subscribe(self, url: str, secret: str) -> None:
        """Have results of executions called back, signed with a secret."""
        body = {"event": "execution_result", "callback_url": url, "secret": secret}
        await self.client.create("/subscriptions", body)

    async def create_task(self, group: str, policy: Mapping[str, Any]) -> str:
        """Create an upgrade task for a group and return its id; the group's devices decide which package it takes."""
        model = _MQTT_MODEL if group.startswith("mqtt") else _MODEL
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
        self, model: str, package: SignedPackage, version: str, source_versions: Iterable[str]
    ) -> None:
        await self.client.create("/public-keys", {"manufacturer": MANUFACTURER, "pem": package.public_pem})
        package_id = await self.client.upload_package(
            package.path, version=version, product_id=self._products[model], source_versions=list(source_versions)
        )
        await self.client.wait_verified(package_id)
        self._packages[model] = package_id

    def _device(self, endpoint: str, group: str, fleet: Fleet) -> dict[str, Any]:
        model = _MODEL_WITHOUT_UPGRADE if endpoint in fleet.incapable else _MODEL
        return {"endpoint": endpoint, "product_id": self._products[model], "group_ids": [self.groups[group]]}
