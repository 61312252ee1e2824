"""Signed firmware packages: library, offline tool and verification service.

The library is what stands here; it needs neither network nor broker nor database. The tool is
``python -m sluice_signing`` (or ``sluice-sign``), the service ``sluice_signing.entrypoints.service``.
"""

from sluice_signing.domain.algorithms import ALGORITHMS
from sluice_signing.domain.errors import KeyRefusedError, PackageRefusedError, SigningError
from sluice_signing.domain.keys import (
    KeyPair,
    PrivateKey,
    PublicKey,
    keygen,
    load_private_key,
    load_public_key,
)
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.release import Release
from sluice_signing.domain.verification import VerifiedPackage
from sluice_signing.library import extract_image, sign, signed_path, verify

__all__ = [
    "ALGORITHMS",
    "KeyPair",
    "KeyRefusedError",
    "PackageLimits",
    "PackageRefusedError",
    "PrivateKey",
    "PublicKey",
    "Release",
    "SigningError",
    "VerifiedPackage",
    "extract_image",
    "keygen",
    "load_private_key",
    "load_public_key",
    "sign",
    "signed_path",
    "verify",
]
