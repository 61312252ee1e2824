"""Builds `signtool.zip`, the offline tool as a release of its own: wheel, launchers, and its libraries' hashes.

The same source gives the same bytes on every machine, so that its digest can stand in the documents, apart from any
platform that offers the file: names in order, no times, nothing compressed, nothing that an installation has made. The
libraries are not in it; `signtool_files/sluice_sign.py` gets them.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

NAME: Final = "signtool.zip"
_DISTRIBUTION: Final = "sluice-signing"
_PACKAGE: Final = Path(__file__).parents[1]
_FILES: Final = _PACKAGE / "signtool_files"
_FOLDER: Final = "signtool"
_OF_THE_SERVICE: Final = (
    "adapters/answers.py",
    "adapters/signtool.py",
    "adapters/store.py",
    "adapters/verifier.py",
    "application/uploads.py",
    "application/verdicts.py",
    "bootstrap.py",
    "domain/verdict.py",
    "entrypoints/release.py",
    "entrypoints/service.py",
    "entrypoints/worker.py",
    "release.py",
    "settings.py",
    "signtool_files/",
)
"""What of the package the tool does without."""
_COMMAND: Final = "[console_scripts]\nsluice-sign = sluice_signing.entrypoints.cli:main\n"
_EXECUTABLE: Final = frozenset({"sluice-sign"})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_File = tuple[str, bytes]


def build() -> bytes:
    """Return the zip."""
    name, wheel = build_wheel()
    files = [(f"{_FOLDER}/{path.name}", path.read_bytes()) for path in _files(_FILES)]
    return _zip(sorted([*files, (f"{_FOLDER}/{name}", wheel)]))


def sha256(content: bytes) -> str:
    """Return the digest that the documents have, in hex."""
    return hashlib.sha256(content).hexdigest()


def build_wheel() -> _File:
    """Return file name and content of the tool's wheel (PEP 427); pip and pipx install it."""
    version = metadata.version(_DISTRIBUTION)
    info = f"sluice_signing-{version}.dist-info"
    files = [(f"{_PACKAGE.name}/{p.relative_to(_PACKAGE).as_posix()}", p.read_bytes()) for p in _files(_PACKAGE)]
    left_out = tuple(f"{_PACKAGE.name}/{name}" for name in _OF_THE_SERVICE)
    files = [file for file in files if not file[0].startswith(left_out)]
    wheel = "Wheel-Version: 1.0\nGenerator: sluice-signing\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    for name, text in (("METADATA", _metadata(version)), ("entry_points.txt", _COMMAND), ("WHEEL", wheel)):
        files.append((f"{info}/{name}", text.encode()))
    files.sort()
    record = [f"{name},sha256={_urlsafe(content)},{len(content)}\n" for name, content in files]
    files.append((f"{info}/RECORD", "".join([*record, f"{info}/RECORD,,\n"]).encode()))
    return f"sluice_signing-{version}-py3-none-any.whl", _zip(files)


def _metadata(version: str) -> str:
    """Return what an installer has to know (PEP 566); what is installed differs with the build backend."""
    needed = sorted(name for name in metadata.requires(_DISTRIBUTION) or () if "extra ==" not in name)
    head = f"Metadata-Version: 2.1\nName: {_DISTRIBUTION}\nVersion: {version}\nRequires-Python: >=3.11\n"
    return head + "".join(f"Requires-Dist: {name}\n" for name in needed)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _zip(files: Iterable[_File]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # compressors differ in what they write
        for name, content in files:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, for the permissions
            info.external_attr = (0o100755 if Path(name).name in _EXECUTABLE else 0o100644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()
