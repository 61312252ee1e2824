"""Packages: signed firmware zips and what verification found (R020-R034)."""

from datetime import datetime
from enum import StrEnum

from sluice_api.domain.models.base import Record
from sluice_api.domain.models.products import Protocol
from sluice_common.messages.snapshots import PackageSnapshot

MANIFEST_WITH_VERSION = 2
"""The first form of the signed manifest that says manufacturer, models and version."""


class PackageStatus(StrEnum):
    """State of a package; DELETING is shown while its deletion has begun, whatever it was before."""

    VERIFYING = "VERIFYING"
    VERIFIED = "VERIFIED"
    REJECTED = "REJECTED"
    REVOKED = "REVOKED"
    DELETING = "DELETING"


class Rejection(Record, frozen=True, kw_only=True):
    """Why a package must not be used.

    Attributes:
        code: Stable code, for example `wrong_signature`.
        message: What is wrong and what to do, for people.
    """

    code: str
    message: str


class Package(Record, frozen=True, kw_only=True, rename={"stored_status": "status"}):
    """A package.

    Attributes:
        version: None while it is unknown: the form did not say it, and the signed manifest has not been read yet.
        source_versions: Versions that may be upgraded, with `*` and `?` (D04); empty means any.
        file_size: Bytes of the uploaded zip.
        stored_status: What verification found, also while the package is being deleted.
        deleting: Whether its deletion has begun; no task begins with it any more.
        image_id: Id of the verified image in the image store.
        image_size: Bytes that a device downloads.
        key_id: The public key whose signature held.
        algorithm: The signature's algorithm.
        manifest_version: Form of the signed manifest: 2 signs manufacturer, models and version. None if it was verified
            before there was another than 1, or is not verified.
        models: The models that it is signed for.
        sequence: The signed number of the release, None without one.
        uploaded_by: Client id.
    """

    package_id: str
    app_id: str
    product_id: str
    version: str | None
    manufacturer: str
    model: str
    device_type: str
    protocol: Protocol
    source_versions: tuple[str, ...]
    description: str
    file_name: str
    file_size: int
    file_sha256: str
    stored_status: PackageStatus
    created_at: datetime
    deleting: bool = False
    rejection: Rejection | None = None
    image_id: str | None = None
    image_name: str | None = None
    image_size: int | None = None
    image_sha256: str | None = None
    key_id: str | None = None
    algorithm: str | None = None
    manifest_version: int | None = None
    models: tuple[str, ...] = ()
    sequence: int | None = None
    uploaded_by: str | None = None
    verified_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def status(self) -> PackageStatus:
        """The status that counts, and that users see."""
        return PackageStatus.DELETING if self.deleting else self.stored_status

    @property
    def is_version_signed(self) -> bool:
        """Return whether the version is the signer's word, and not only that of who uploaded it."""
        return self.manifest_version is not None and self.manifest_version >= MANIFEST_WITH_VERSION

    def snapshot(self) -> PackageSnapshot:
        """Return what executions carry of the package.

        Raises:
            ValueError: It has never been verified.
        """
        if self.image_id is None or self.image_size is None or self.image_sha256 is None or self.version is None:
            raise ValueError(f"package {self.package_id} has no image")
        return PackageSnapshot(
            package_id=self.package_id,
            version=self.version,
            image_id=self.image_id,
            image_size=self.image_size,
            image_sha256=self.image_sha256,
            source_versions=self.source_versions,
        )


class PackageFilter(Record, frozen=True, kw_only=True):
    """Which packages to list; None means any."""

    product_id: str | None = None
    version: str | None = None
    status: PackageStatus | None = None
