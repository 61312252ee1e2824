"""What the service asks its verifying process, and the verdict that it gets, as JSON on pipes."""

import msgspec

from sluice_signing.domain.errors import PackageRefusedError
from sluice_signing.domain.release import Release


class TrustedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key by the platform's name for it.

    Attributes:
        ref: Id at the platform.
        pem: SubjectPublicKeyInfo, PEM.
    """

    ref: str
    pem: str


class VerificationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to verify, and within which limits.

    Attributes:
        package_fd: Open file descriptor of the zip.
        image_fd: Open file descriptor that gets the image.
        public_keys: The keys that are trusted.
        memory_bytes: Most address space in bytes.
        cpu_seconds: Most CPU time in seconds.
    """

    package_fd: int
    image_fd: int
    public_keys: tuple[TrustedKey, ...]
    memory_bytes: int
    cpu_seconds: int


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted"):
    """The package is verified and the image written.

    Attributes:
        image_name: Path of the image inside the archive.
        image_size: Its size in bytes.
        image_sha256: Its SHA-256, hex.
        key_ref: The key that signed, by the platform's name.
        algorithm: The algorithm by which it signed.
        release: What the package is, by the word of who signed it; None if that is not signed.
        envelope: The signed envelope of its manifest.
    """

    image_name: str
    image_size: int
    image_sha256: str
    key_ref: str
    algorithm: str
    release: Release | None
    envelope: bytes


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The package must not be used.

    Attributes:
        code: Stable code of the reason.
        message: Reason and advice for people.
    """

    code: str
    message: str


Verdict = Accepted | Refused


def refused(error: PackageRefusedError) -> Refused:
    """Return the verdict that a refusal is."""
    return Refused(code=error.code, message=error.diagnostics())
