"""What a package says of itself, without verifying it."""

from dataclasses import dataclass

from sluice_signing.application.ports import Archive
from sluice_signing.domain.entry_rules import check_entries, with_marked_names
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.manifest import MANIFEST_NAME, Manifest, parse_manifest, unseal
from sluice_signing.domain.zip_layout import Entry


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a package holds; nothing of it is verified.

    Attributes:
        entries: Its entries.
        envelope: The content of its manifest's entry; None if it is not signed.
    """

    entries: tuple[Entry, ...]
    envelope: bytes | None

    def manifest(self) -> Manifest | None:
        """Return what the manifest claims; None if the package is not signed.

        Raises:
            BadManifestError: It cannot be read.
        """
        return None if self.envelope is None else parse_manifest(unseal(self.envelope))


def inspect_package(archive: Archive, limits: PackageLimits) -> Inspection:
    """Return what a package says of itself.

    Raises:
        PackageRefusedError: It has forbidden entries.
        OSError: It cannot be read.
    """
    check_entries(with_marked_names(archive.entries), limits)  # as signing sees them
    for entry in archive.entries:
        if entry.name == MANIFEST_NAME:
            return Inspection(archive.entries, b"".join(archive.pieces(entry)))
    return Inspection(archive.entries, None)
