"""When certificates expire."""

from collections.abc import Mapping
from pathlib import Path

from cryptography import x509


def expiry_of(files: Mapping[str, Path | None]) -> dict[str, float]:
    """Return when the first certificate of each file expires, seconds since 1970; none of files that are not set.

    Raises:
        OSError: A file cannot be read.
        ValueError: It holds no certificate.
    """
    return {
        name: x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()
        for name, file in files.items()
        if file is not None
    }
