"""Packages: signed firmware zips and what verification found (R020–R034)."""

from datetime import datetime

from pydantic import Field

from sluice_api.domain import models
from sluice_api.entrypoints.rest.schemas.base import (
    Body,
    Created,
    Identifier,
    Item,
    Name,
    Page,
    Query,
    Version,
    example,
)
from sluice_api.entrypoints.rest.schemas.enums import PackageStatus

Pattern = Version
"""A source version with `*` and `?` (D04)."""


class PackageFields(Body):
    """The form fields that come with the file."""

    version: Version | None = Field(
        None, description="Must be the signed one. Needed where the manifest does not sign it (v1)."
    )
    product_id: Identifier
    device_type: Name | None = None
    manufacturer: Name | None = None
    model: Name | None = None
    protocol: Name | None = None
    source_versions: list[Pattern] = Field([], max_length=100)
    description: str = Field("", max_length=1024)


class Rejection(Item):
    """Why a package must not be used."""

    code: str = Field(examples=["wrong_signature"])
    message: str


class Package(Created):
    """A package."""

    model_config = example(
        package_id="6745c1f0a1b2c3d4e5f60718",
        version="2.0.1",
        product_id="6745c1f0a1b2c3d4e5f60719",
        manufacturer="Acme",
        model="WM-1",
        device_type="WaterMeter",
        protocol="LWM2M",
        source_versions=["1.*"],
        description="",
        file_name="wm1_signed.zip",
        file_size=70_214,
        file_sha256="9f86…",
        status="VERIFIED",
        rejection=None,
        image_name="wm1.bin",
        image_size=65_536,
        image_sha256="60303ae2…",
        key_id="6745c1f0a1b2c3d4e5f6071a",
        algorithm="ECDSA_P256+SHA256",
        manifest_version=2,
        models=["WM-1"],
        sequence=7,
        uploaded_by="6745c1f0a1b2c3d4e5f60717",
        created_at="2026-11-22T12:00:00Z",
        verified_at="2026-11-22T12:00:01Z",
    )

    package_id: str
    version: str | None = Field(description="The signed one, once it has been read; null before, if the form has none.")
    product_id: str
    manufacturer: str
    model: str
    device_type: str
    protocol: str
    source_versions: list[str] = Field(description="With `*` and `?`; empty means any (D04).")
    description: str
    file_name: str
    file_size: int = Field(description="Bytes of the uploaded zip.")
    file_sha256: str
    status: PackageStatus = Field(description="DELETING: its deletion has begun; where it was cut short, repeat it.")
    rejection: Rejection | None = None
    image_name: str | None = None
    image_size: int | None = Field(None, description="Bytes that a device downloads.")
    image_sha256: str | None = None
    key_id: str | None = Field(None, description="The public key whose signature held.")
    algorithm: str | None = Field(None, description="The signature's algorithm.")
    manifest_version: int | None = Field(None, description="2: manufacturer, models and version are signed; 1: not.")
    models: list[str] = Field([], description="The models that it is signed for; none with manifest 1.")
    sequence: int | None = Field(None, description="The signed number of the release.")
    uploaded_by: str | None = Field(None, description="Client id that uploaded it.")
    verified_at: datetime | None = None
    revoked_at: datetime | None = Field(None, description="When it became unusable with its key.")


class PackagePage(Page):
    """Packages."""

    items: list[Package]


class PackageQuery(Query):
    """Filters of the list of packages."""

    product_id: str | None = None
    version: str | None = None
    status: PackageStatus | None = None

    def wanted(self) -> models.PackageFilter:
        """Return the filters."""
        return models.PackageFilter(product_id=self.product_id, version=self.version, status=self.status)
