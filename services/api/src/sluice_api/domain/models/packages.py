"""Packages: signed firmware zips and what verification found (R020-R034)."""

from datetime import datetime
from enum import StrEnum

from sluice_api.domain.models.base import Record
from sluice_api.domain.models.products import Protocol
from sluice_common.messages.snapshots import PackageSnapshot


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
        source_versions: Versions that may be upgraded, with `*` and `?` (D04); empty means any.
        file_size: Bytes of the uploaded zip.
        stored_status: What verification found, also while the package is being deleted.
        deleting: Whether its deletion has begun; no task begins with it any more.
        image_id: Id of the verified image in the image store.
        image_size: Bytes that a device downloads.
        key_id: The public key whose signature held.
        algorithm: The signature's algorithm.
        uploaded_by: Client id.
    """

    package_id: str
    app_id: str
    product_id: str
    version: str
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
    uploaded_by: str | None = None
    verified_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def status(self) -> PackageStatus:
        """The status that counts, and that users see."""
        return PackageStatus.DELETING if self.deleting else self.stored_status

    def snapshot(self) -> PackageSnapshot:
        """Return what executions carry of the package.

        Raises:
            ValueError: It has never been verified.
        """
        if self.image_id is None or self.image_size is None or self.image_sha256 is None:
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
