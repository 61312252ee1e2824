"""Writes signed-package-vectors.json anew: one package, signed by every algorithm with keys that are thrown away.

Each signs it with both forms of the manifest.
"""

import base64
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from sluice_signing import ALGORITHMS, PackageLimits, Release, keygen, load_private_key
from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.application.sign_package import append_manifest

_HERE = Path(__file__).parent
_PASSPHRASE = "thrown away 1"  # noqa: S105 - opens keys that live as long as this script
_RELEASE = Release(manufacturer="Acme", models=("WM-1", "WM-2"), version="1.0", sequence=7)
_SIGNED_AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def main() -> None:
    """Write the vectors."""
    original = base64.b64decode((_HERE / "signed-package.md").read_text().split("```original\n")[1].split("```")[0])
    packages = []
    for algorithm in ALGORITHMS:
        pair = keygen(algorithm.name, _PASSPHRASE)
        key = load_private_key(pair.private_pem, _PASSPHRASE)
        for manifest, release in ((1, None), (2, _RELEASE)):
            file = io.BytesIO(original)
            append_manifest(file, ZipArchive(file, PackageLimits()), key, _SIGNED_AT, release)
            packages.append(
                {
                    "algorithm": algorithm.name,
                    "manifest": manifest,
                    "key_id": pair.key_id,
                    "public_key": pair.public_pem.decode(),
                    "signed": base64.b64encode(file.getvalue()).decode(),
                }
            )
    image = base64.b64encode(b"firmware 1.0\n").decode()
    vectors = {"image": image, "release": msgspec.to_builtins(_RELEASE), "packages": packages}
    (_HERE / "signed-package-vectors.json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
