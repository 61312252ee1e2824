"""Writes signed-package-vectors.json anew: one package, signed by every algorithm with keys that are thrown away."""

import base64
import io
import json
from datetime import UTC, datetime
from pathlib import Path

from sluice_signing import ALGORITHMS, PackageLimits, keygen, load_private_key
from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.application.sign_package import append_manifest

_HERE = Path(__file__).parent
_PASSPHRASE = "thrown away 1"  # noqa: S105 - opens keys that live as long as this script
_SIGNED_AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def main() -> None:
    """Write the vectors."""
    original = base64.b64decode((_HERE / "signed-package.md").read_text().split("```original\n")[1].split("```")[0])
    packages = []
    for algorithm in ALGORITHMS:
        pair = keygen(algorithm.name, _PASSPHRASE)
        file = io.BytesIO(original)
        key = load_private_key(pair.private_pem, _PASSPHRASE)
        append_manifest(file, ZipArchive(file, PackageLimits()), key, _SIGNED_AT)
        packages.append(
            {
                "algorithm": algorithm.name,
                "key_id": pair.key_id,
                "public_key": pair.public_pem.decode(),
                "signed": base64.b64encode(file.getvalue()).decode(),
            }
        )
    vectors = {"image": base64.b64encode(b"firmware 1.0\n").decode(), "packages": packages}
    (_HERE / "signed-package-vectors.json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
