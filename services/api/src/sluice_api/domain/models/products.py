"""Product models and the public keys of their manufacturers."""

from datetime import datetime
from enum import StrEnum

from sluice_api.domain.models.base import Record
from sluice_common.messages.snapshots import ProductSnapshot


class Protocol(StrEnum):
    """How devices of a product speak."""

    LWM2M = "LWM2M"
    MQTT = "MQTT"


class Ordering(StrEnum):
    """How the versions of a product are ordered.

    `semver`: Semantic Versioning 2.0.0 §11. `numeric`: numbers between dots, an initial V aside; missing ones are 0.
    `lexical`: character by character.
    """

    SEMVER = "semver"
    NUMERIC = "numeric"
    LEXICAL = "lexical"


class Maintenance(Record, frozen=True, kw_only=True):
    """Maintenance capability (R011-R013).

    Attributes:
        firmware_upgrade: Whether devices of this model can be upgraded.
        upgrade_protocol: `LWM2M` or None for LwM2M products (R012); any for MQTT (R013).
    """

    firmware_upgrade: bool
    upgrade_protocol: str | None


class Radio(Record, frozen=True, kw_only=True):
    """How devices report their radio (D01).

    Attributes:
        rsrp_scale: Factor from the reported RSRP to dBm.
        sinr_scale: Factor from the reported SINR to dB.
        sinr_path: Resource with the SINR.
    """

    rsrp_scale: float
    sinr_scale: float
    sinr_path: str


class AntiRollback(Record, frozen=True, kw_only=True):
    """Which versions devices must not go below.

    Attributes:
        ordering: How versions are compared.
        minimum_version: The least version; None for any, downgrades too.
    """

    ordering: Ordering
    minimum_version: str | None


class Product(Record, frozen=True, kw_only=True, omit_defaults=False):
    """A product model (R010-R016, D01-D03).

    Attributes:
        network: First part of the cell's key (D02).
        one_based_ranges: MQTT: devices count the bytes of an HTTP `Range` from 1 (D13).
        keeps_manifest_v1: Whether packages whose manifest does not sign their version are taken though there is a least
            version. So it is for products that are older than the manifest that does, and for no others.
    """

    product_id: str
    app_id: str
    manufacturer: str
    model: str
    device_type: str
    protocol: Protocol
    maintenance: Maintenance
    network: str
    radio: Radio
    anti_rollback: AntiRollback = AntiRollback(ordering=Ordering.SEMVER, minimum_version=None)
    one_based_ranges: bool = False
    keeps_manifest_v1: bool = True
    created_at: datetime

    def snapshot(self) -> ProductSnapshot:
        """Return what executions carry of the product."""
        return ProductSnapshot(
            product_id=self.product_id,
            protocol=self.protocol.value,
            firmware_upgrade=self.maintenance.firmware_upgrade,
            upgrade_protocol=self.maintenance.upgrade_protocol or "",
            network=self.network,
            rsrp_scale=self.radio.rsrp_scale,
            sinr_scale=self.radio.sinr_scale,
            sinr_path=self.radio.sinr_path,
            one_based_ranges=self.one_based_ranges,
        )


class ProductChange(Record, frozen=True, kw_only=True):
    """What of a product changes; None leaves a field as it is."""

    maintenance: Maintenance | None = None
    network: str | None = None
    radio: Radio | None = None
    anti_rollback: AntiRollback | None = None
    one_based_ranges: bool | None = None
    keeps_manifest_v1: bool | None = None


class ProductFilter(Record, frozen=True, kw_only=True):
    """Which products to list; None means any."""

    manufacturer: str | None = None
    model: str | None = None


class KeyStatus(StrEnum):
    """What a key is good for."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    REVOKED = "REVOKED"
    DELETING = "DELETING"


class PublicKey(Record, frozen=True, kw_only=True):
    """A public key of a manufacturer (R050, R051).

    Attributes:
        fingerprint: SHA-256 of the SubjectPublicKeyInfo in DER, hex.
        algorithm: For example `EC-secp256r1`.
        pem: SubjectPublicKeyInfo, PEM.
        revocation_reason: What the user who revoked it gave as reason.
    """

    key_id: str
    app_id: str
    manufacturer: str
    fingerprint: str
    algorithm: str
    pem: str
    status: KeyStatus
    created_at: datetime
    revoked_at: datetime | None = None
    revocation_reason: str | None = None


class PublicKeyFilter(Record, frozen=True, kw_only=True):
    """Which public keys to list; None means any."""

    manufacturer: str | None = None
    status: KeyStatus | None = None
