"""Packages in memory: honest ones, and the means to make hostile ones."""

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime

from sluice_signing import PackageLimits, PrivateKey, VerifiedPackage, verify
from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.application.sign_package import append_manifest

IMAGE = bytes(range(256)) * 40
SIGNED_AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


class Packages:
    """Makes and verifies packages in memory, all with one key."""

    def __init__(self, key: PrivateKey) -> None:
        """Use this key for signing and verifying."""
        self.key = key

    @staticmethod
    def zip(
        entries: Mapping[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]],
        compression: int = zipfile.ZIP_DEFLATED,
    ) -> bytes:
        """Return a zip as the standard library writes it; a list may repeat names."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, content in entries.items() if isinstance(entries, Mapping) else entries:
                archive.writestr(name, content)
        return buffer.getvalue()

    def sign(self, raw: bytes, limits: PackageLimits | None = None) -> bytes:
        """Return a package with a valid signature, whatever the entries are: a hostile signer's."""
        file = io.BytesIO(raw)
        append_manifest(file, ZipArchive(file, limits or PackageLimits()), self.key, SIGNED_AT)
        return file.getvalue()

    def verify(self, raw: bytes, limits: PackageLimits | None = None) -> VerifiedPackage:
        """Verify a package against the one key."""
        return verify(io.BytesIO(raw), [self.key.public], limits=limits or PackageLimits())
