"""Products: product models of devices (R010–R016, D01–D03)."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from sluice_api.domain import models
from sluice_api.domain.models import KeyStatus, Ordering
from sluice_api.entrypoints.rest.schemas.base import (
    Body,
    Created,
    Identifier,
    Item,
    Name,
    Network,
    Page,
    Query,
    ResourcePath,
    Version,
    example,
)
from sluice_api.entrypoints.rest.schemas.enums import Protocol

_EXAMPLE: dict[str, Any] = {
    "manufacturer": "Acme",
    "model": "WM-1",
    "device_type": "WaterMeter",
    "protocol": "LWM2M",
    "maintenance": {"firmware_upgrade": True, "upgrade_protocol": "LWM2M"},
    "network": "default",
    "radio": {"rsrp_scale": 1, "sinr_scale": 1, "sinr_path": "/4/0/11"},
    "anti_rollback": {"ordering": "semver", "minimum_version": "1.4.0"},
}
_CREATED = {"created_at": "2026-11-22T12:00:00Z", "keeps_manifest_v1": False}
_KEEPS_V1 = (
    "Packages whose manifest does not sign their version (v1) are taken though there is a minimum version: products"
    " older than manifest v2. False for all others, and for ever once it is."
)
_ONE_BASED = "MQTT: devices count the bytes of an HTTP `Range` from 1, as Huawei's LiteOS does (D13)."


class Maintenance(Body):
    """Maintenance capability (R011–R013)."""

    firmware_upgrade: bool = Field(description="Whether devices of this model can be upgraded.")
    upgrade_protocol: str | None = Field(
        None,
        min_length=1,
        max_length=32,
        description="LWM2M or null for LwM2M products, which need LWM2M to be upgraded (R012); any for MQTT (R013).",
    )


class Radio(Body):
    """How devices of this model report their radio (D01)."""

    rsrp_scale: float = Field(1.0, gt=0, le=10, description="Factor from the reported RSRP to dBm, 1 or 0.1.")
    sinr_scale: float = Field(1.0, gt=0, le=10, description="Factor from the reported SINR to dB, 1 or 0.1.")
    sinr_path: ResourcePath = Field("/4/0/11", description="Resource with the SINR.")


class AntiRollback(Body):
    """Which versions devices of this model must not go below; packages and tasks below it are refused."""

    ordering: Ordering = Field(
        Ordering.SEMVER,
        description="semver: Semantic Versioning 2.0.0. numeric: numbers between dots, as in V1.0.10."
        " lexical: character by character.",
    )
    minimum_version: Version | None = Field(None, description="The least version; null for any, downgrades too.")


class ProductIn(Body):
    """A new product."""

    model_config = example(**_EXAMPLE)

    manufacturer: Name
    model: Name
    device_type: Name
    protocol: Protocol
    maintenance: Maintenance = Maintenance(firmware_upgrade=False)
    network: Network | None = Field(
        None, description="First part of the cell's key (D02): one of `GET /networks`, by default the first of them."
    )
    radio: Radio = Radio()
    anti_rollback: AntiRollback = AntiRollback()
    one_based_ranges: bool = Field(default=False, description=_ONE_BASED)

    def product(self, product_id: str, app_id: str, network: str, at: datetime) -> models.Product:
        """Return the product that is asked for, in a network that the app may name."""
        return models.Product(
            product_id=product_id,
            app_id=app_id,
            manufacturer=self.manufacturer,
            model=self.model,
            device_type=self.device_type,
            protocol=self.protocol,
            maintenance=self.maintenance.as_record(models.Maintenance),
            network=network,
            radio=self.radio.as_record(models.Radio),
            anti_rollback=self.anti_rollback.as_record(models.AntiRollback),
            one_based_ranges=self.one_based_ranges,
            keeps_manifest_v1=False,
            created_at=at,
        )


class ProductChange(Body):
    """Changes of a product; what identifies the model stays."""

    model_config = example(maintenance={"firmware_upgrade": True, "upgrade_protocol": "LWM2M"})

    maintenance: Maintenance | None = None
    network: Network | None = None
    radio: Radio | None = None
    anti_rollback: AntiRollback | None = None
    one_based_ranges: bool | None = Field(None, description=_ONE_BASED)
    keeps_manifest_v1: Literal[False] | None = Field(None, description=_KEEPS_V1)

    def change(self) -> models.ProductChange:
        """Return the changes."""
        return self.as_record(models.ProductChange)


class Product(Created):
    """A product model."""

    model_config = example(product_id="6745c1f0a1b2c3d4e5f60718", **_CREATED, **_EXAMPLE)

    product_id: str
    manufacturer: str
    model: str
    device_type: str
    protocol: Protocol
    maintenance: Maintenance
    network: str
    radio: Radio
    anti_rollback: AntiRollback = AntiRollback()
    one_based_ranges: bool = False
    keeps_manifest_v1: bool = Field(description=_KEEPS_V1)


class ProductPage(Page):
    """Products."""

    items: list[Product]


class ProductImport(Item):
    """Product models that a profile made."""

    model_config = example(items=[_EXAMPLE | {"product_id": "6745c1f0a1b2c3d4e5f60718"} | _CREATED])

    items: list[Product]


class ProductQuery(Query):
    """Filters of the list of products."""

    manufacturer: str | None = None
    model: str | None = None

    def wanted(self) -> models.ProductFilter:
        """Return the filters."""
        return models.ProductFilter(manufacturer=self.manufacturer, model=self.model)


class KeyIn(Body):
    """A public key of a manufacturer (R050, R051)."""

    model_config = example(manufacturer="Acme", pem="-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----\n")

    manufacturer: Name
    pem: str = Field(max_length=16_384, description="SubjectPublicKeyInfo, PEM.")
    active: bool = Field(default=True, description="Whether packages are verified by it from now on.")


class Key(Created):
    """A public key."""

    model_config = example(
        key_id="6745c1f0a1b2c3d4e5f6071a",
        manufacturer="Acme",
        fingerprint="5b8f0c…",
        algorithm="EC-secp256r1",
        pem="-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----\n",
        status="ACTIVE",
        revoked_at=None,
        revocation_reason=None,
        created_at="2026-11-22T12:00:00Z",
    )

    key_id: Identifier
    manufacturer: str
    fingerprint: str = Field(
        description="SHA-256 of the SubjectPublicKeyInfo in DER, hex; `sluice sign` shows the same."
    )
    algorithm: str = Field(examples=["RSA-2048"])
    pem: str
    status: KeyStatus = Field(
        description="ACTIVE verifies packages, INACTIVE no new ones; those that a REVOKED one verified are unusable. "
        "DELETING: its deletion has begun and was cut short; repeat it."
    )
    revoked_at: datetime | None = None
    revocation_reason: str | None = None


class KeyRevocation(Body):
    """Why a key is revoked."""

    model_config = example(reason="The private key was on a laptop that was stolen.")

    reason: str = Field("", max_length=256, description="For the record.")


class KeyPage(Page):
    """Public keys."""

    items: list[Key]


class KeyQuery(Query):
    """Filters of the list of public keys."""

    manufacturer: str | None = None
    status: KeyStatus | None = None

    def wanted(self) -> models.PublicKeyFilter:
        """Return the filters."""
        return models.PublicKeyFilter(manufacturer=self.manufacturer, status=self.status)
