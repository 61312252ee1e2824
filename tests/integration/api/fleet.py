"""What an upgrade needs: a product with a verified package, a group and devices."""

import io
import os
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.integration.api.api_client import APP, Json, made
from tests.integration.api.kafka_client import Bus
from tests.integration.api.waiting import eventually

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.package_events import PackageVerified, SignedRelease
from sluice_common.topics import PACKAGE_EVENTS


def public_key() -> str:
    """Return a fresh public key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signed_zip(size: int = 1000) -> bytes:
    """Return a zip that may be uploaded; whether its signature holds is the signing service's question."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("image.bin", os.urandom(size))
    return archive.getvalue()


class Fleet:
    """A product with a verified package, a group and devices of one app."""

    def __init__(self, app: httpx.Client, bus: Bus, capable: bool = True) -> None:
        self.app = app
        self._bus = bus
        self.name = new_id()
        maintenance = {"firmware_upgrade": capable, "upgrade_protocol": "LWM2M"}
        self.product = made(
            app.post(
                "/products",
                json={
                    "manufacturer": self.name,
                    "model": "M1",
                    "device_type": "Meter",
                    "protocol": "LWM2M",
                    "maintenance": maintenance,
                },
            )
        )
        self.group = made(app.post("/groups", json={"name": self.name}))
        self.group_id: str = self.group["group_id"]

    def key(self, **fields: object) -> Json:
        """Add a public key of the manufacturer."""
        return made(self.app.post("/public-keys", json={"manufacturer": self.name, "pem": public_key()} | fields))

    def package(self, version: str = "2.0") -> Json:
        """Upload a package and let signing say that it is right."""
        key = self.key()
        fields = {"version": version, "product_id": self.product["product_id"]}
        package = made(self.app.post("/packages", data=fields, files={"file": ("p_signed.zip", signed_zip())}))
        self._bus.publish(PACKAGE_EVENTS, (package["package_id"], verified(package, key["key_id"])))
        return eventually(lambda: self._verified(package["package_id"]))

    def _verified(self, package_id: str) -> Json:
        package = made(self.app.get(f"/packages/{package_id}"))
        return package if package["status"] == "VERIFIED" else {}

    def devices(self, count: int, *, grouped: bool = True) -> list[str]:
        """Create devices; return their ids in order."""
        start = new_id()
        lines = "\n".join(
            f'{{"endpoint":"urn:{start}:{i}","product_id":"{self.product["product_id"]}",'
            f'"group_ids":{[self.group_id] if grouped else []},"tags":["{start}"]}}'.replace("'", '"')
            for i in range(count)
        )
        headers = {"Content-Type": "application/x-ndjson"}
        assert made(self.app.post("/devices/bulk", content=lines, headers=headers))["created"] == count
        page = made(self.app.get("/devices", params={"tag": start, "limit": 1000}))
        return [d["device_id"] for d in page["items"]]

    def task(self, package: Json, targets: Json | None = None, **policy: object) -> httpx.Response:
        """Ask for a task."""
        body = {
            "name": "task",
            "package_id": package["package_id"],
            "targets": targets or {"group_ids": [self.group_id]},
            "policy": policy,
        }
        return self.app.post("/tasks", json=body)


NewFleet = Callable[..., Fleet]


def signed_release(package: Json, **changes: Any) -> SignedRelease:
    """Return that a package is signed for what its upload says."""
    honest = SignedRelease(manufacturer=package["manufacturer"], models=(package["model"],), version=package["version"])
    return msgspec.structs.replace(honest, **changes)


def verified(package: Json, key_id: str, **changes: Any) -> PackageVerified:
    """Return what signing says of a package that a key has verified, with a manifest that signs what it is."""
    plain = _verified(package, key_id)
    return msgspec.structs.replace(plain, **({"release": signed_release(package)} | changes))


def _verified(package: Json, key_id: str) -> PackageVerified:
    return PackageVerified(
        app_id=APP,
        occurred_at=now(),
        package_id=package["package_id"],
        image_id=new_id(),
        image_name="image.bin",
        image_size=1000,
        image_sha256="ab" * 32,
        key_id=key_id,
        algorithm="ECDSA_P256+SHA256",
    )
