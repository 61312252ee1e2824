"""A firmware package as a manufacturer makes it: image, zip, key pair, signature; all offline."""

import hashlib
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

from sluice_demo.products import MANUFACTURER, UPGRADABLE
from sluice_signing.domain.keys import keygen
from sluice_signing.domain.release import Release
from sluice_signing.library import sign

_ALGORITHM = "ECDSA_256K1+SHA256"
_PASSPHRASE = "Sluice-demo-1"  # noqa: S105 - of a key that lives as long as the demo


@dataclass(frozen=True)
class SignedPackage:
    """What the manufacturer hands to the app server's owner.

    Attributes:
        path: The signed zip.
        public_pem: The public key that verifies it.
        image_sha256: Hex digest of the image inside.
    """

    path: Path
    public_pem: str
    image_sha256: str


def make_package(
    folder: Path,
    version: str,
    image_bytes: int,
    seed: int,
    *,
    manufacturer: str = MANUFACTURER,
    models: tuple[str, ...] = UPGRADABLE,
) -> SignedPackage:
    """Make an image of noise, zip it and sign it with a new key pair.

    Args:
        folder: Where the files are made.
        version: Becomes part of the file names.
        image_bytes: Size of the image.
        seed: Decides the noise.
        manufacturer: Whose package it is.
        models: The models that it is for.
    """
    pair = keygen(_ALGORITHM, _PASSPHRASE)
    image = random.Random(seed).randbytes(image_bytes)
    unsigned = folder / f"{version}.zip"
    with zipfile.ZipFile(unsigned, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{version}.bin", image)
    release = Release(manufacturer=manufacturer, models=models, version=version)
    signed = sign(unsigned, pair.private_pem, _PASSPHRASE, release=release)
    return SignedPackage(signed, pair.public_pem.decode(), hashlib.sha256(image).hexdigest())
