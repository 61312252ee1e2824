"""The way with OpenSSL of `docs/signed-package.md`, as a user runs it: its script in a shell."""

import base64
import json
import re
import secrets
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.signing.openssl import need_openssl
from tests.unit.signing.packages import IMAGE, Packages

from sluice_signing import ALGORITHMS, Release, keygen, sign
from sluice_signing.domain.manifest import MANIFEST_NAME

PAGE = (Path(__file__).parents[3] / "docs" / "signed-package.md").read_text()
PASSPHRASE = "Correct horse 5"
RELEASE = Release(manufacturer="Acme", models=("WM-1", "WM-2"), version="1.0", sequence=7)


@pytest.mark.requirement("R022", "R041", "R043")
@pytest.mark.parametrize("algorithm", [algorithm.name for algorithm in ALGORITHMS])
def test_openssl_verifies_as_the_page_says(algorithm: str, tmp_path: Path) -> None:
    need_openssl(algorithm)
    pair = keygen(algorithm, PASSPHRASE)
    package = tmp_path / "app.zip"
    package.write_bytes(Packages.zip({"app.bin": IMAGE, "docs/readme.txt": "读我".encode()}))
    public = tmp_path / "public.pem"
    public.write_bytes(pair.public_pem)
    for release in (None, RELEASE):
        signed = sign(package, pair.private_pem, PASSPHRASE, release=release)
        assert _openssl(signed, public, tmp_path) == (0, "")
    _change_time_of_signing(signed)
    status, complaint = _openssl(signed, public, tmp_path)
    assert status != 0
    assert "verification failure" in complaint


def _change_time_of_signing(signed: Path) -> None:
    entries = _entries(signed)
    envelope = json.loads(entries[MANIFEST_NAME])
    payload = base64.b64decode(envelope["payload"]).replace(b'"signed_at":"20', b'"signed_at":"19')
    envelope["payload"] = base64.b64encode(payload).decode()
    entries[MANIFEST_NAME] = json.dumps(envelope, separators=(",", ":")).encode()
    signed.write_bytes(Packages.zip(entries))


def _entries(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _openssl(package: Path, public: Path, folder: Path) -> tuple[int, str]:
    """Return the exit status and the complaint of the page's script, run in a new folder as a user runs it."""
    where = folder / secrets.token_hex(4)
    where.mkdir()
    (script,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (where / "verify.sh").write_text(script)
    command = ["sh", "verify.sh", str(package), str(public)]
    ended = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    # OpenSSL tells some failures on its standard output.
    return ended.returncode, (ended.stdout + ended.stderr).lower() if ended.returncode else ended.stderr


@pytest.fixture
def signed_with_p256(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Return a function that signs a package; `public.pem` lies beside it."""
    need_openssl("ECDSA_P256+SHA256")
    pair = keygen("ECDSA_P256+SHA256", PASSPHRASE)
    (tmp_path / "public.pem").write_bytes(pair.public_pem)

    def make(entries: dict[str, bytes]) -> Path:
        (tmp_path / "app.zip").write_bytes(Packages.zip(entries))
        return sign(tmp_path / "app.zip", pair.private_pem, PASSPHRASE)

    return make


@pytest.mark.parametrize("name", ["app.bin", "APP.BIN", "dd/a.bin", "固件 v1.bin"])
def test_the_way_with_openssl_ties_the_image_to_its_name(
    name: str, signed_with_p256: Callable[[dict[str, bytes]], Path], tmp_path: Path
) -> None:
    signed = signed_with_p256({name: b"firmware", "notes/": b"", "notes/a.txt": b"evil!!!!"})
    public = tmp_path / "public.pem"
    assert _openssl(signed, public, tmp_path) == (0, "")
    honest = _entries(signed)
    changes: dict[str, dict[str, bytes]] = {
        "changed": {name: b"FIRMWARE"},
        "exchanged": {name: b"evil!!!!", "notes/a.txt": b"firmware"},
        "added": {"more.bin": b"firmware"},
    }
    for change, entries in changes.items():
        signed.write_bytes(Packages.zip(honest | entries))
        status, complaint = _openssl(signed, public, tmp_path)
        assert status != 0, change
        assert "is not what was signed" in complaint, change
    del honest["notes/a.txt"]
    signed.write_bytes(Packages.zip(honest))
    assert _openssl(signed, public, tmp_path)[1].endswith("notes/a.txt is not what was signed\n")


@pytest.mark.parametrize(("was", "becomes"), [('"algorithm":"ECDSA_P256+SHA256"', '"algorithm":"none"'), ("{", "")])
def test_the_way_with_openssl_refuses_what_names_no_algorithm(
    was: str, becomes: str, signed_with_p256: Callable[[dict[str, bytes]], Path], tmp_path: Path
) -> None:
    signed = signed_with_p256({"app.bin": b"firmware"})
    entries = _entries(signed)
    envelope = json.loads(entries[MANIFEST_NAME])
    payload = base64.b64decode(envelope["payload"]).decode().replace(was, becomes)
    envelope["payload"] = base64.b64encode(payload.encode()).decode()
    entries[MANIFEST_NAME] = json.dumps(envelope, separators=(",", ":")).encode()
    signed.write_bytes(Packages.zip(entries))
    assert _openssl(signed, tmp_path / "public.pem", tmp_path)[0] != 0
