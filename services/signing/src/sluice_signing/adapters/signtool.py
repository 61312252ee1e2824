"""Builds `signtool.zip`, the offline tool as users download it: wheel, launchers, libraries of this platform.

The same installation always gives the same bytes: names in order, no times, no caches. What the tool does on other
platforms stands in `signtool_files/sluice_sign.py`.
"""

import base64
import hashlib
import io
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

_DISTRIBUTION: Final = "sluice-signing"
_PACKAGE: Final = Path(__file__).parents[1]
_FILES: Final = _PACKAGE / "signtool_files"
_FOLDER: Final = "signtool"
_LIBRARIES: Final = ("cryptography", "cffi", "pycparser", "msgspec")
_EXECUTABLE: Final = frozenset({"sluice-sign"})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_File = tuple[str, bytes]


def build(*, libraries: bool = True) -> bytes:
    """Return the zip.

    Args:
        libraries: Whether to put in the compiled libraries of this platform, so that the tool starts without a network.
    """
    name, wheel = build_wheel()
    files = [(f"{_FOLDER}/{path.name}", path.read_bytes()) for path in _files(_FILES)]
    files.append((f"{_FOLDER}/{name}", wheel))
    if libraries:
        tag = f"{sys.implementation.cache_tag} {sysconfig.get_platform()}\n"
        files.append((f"{_FOLDER}/lib/PLATFORM.txt", tag.encode()))
        files += [(f"{_FOLDER}/lib/{path}", content) for path, content in _installed(_LIBRARIES)]
    return _zip(sorted(files))


def build_wheel() -> _File:
    """Return file name and content of this package's wheel (PEP 427); pip and pipx install it."""
    distribution = metadata.distribution(_DISTRIBUTION)
    info = f"sluice_signing-{distribution.version}.dist-info"
    files = [(f"{_PACKAGE.name}/{p.relative_to(_PACKAGE).as_posix()}", p.read_bytes()) for p in _files(_PACKAGE)]
    files += [
        (f"{info}/{name}", (distribution.read_text(name) or "").encode()) for name in ("METADATA", "entry_points.txt")
    ]
    wheel = "Wheel-Version: 1.0\nGenerator: sluice-signing\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files.append((f"{info}/WHEEL", wheel.encode()))
    files.sort()
    record = [f"{name},sha256={_urlsafe(content)},{len(content)}\n" for name, content in files]
    files.append((f"{info}/RECORD", "".join([*record, f"{info}/RECORD,,\n"]).encode()))
    return f"sluice_signing-{distribution.version}-py3-none-any.whl", _zip(files)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _installed(names: Iterable[str]) -> Iterator[_File]:
    """Yield the files of installed distributions, scripts and caches left out; those not installed are left out."""
    for name in names:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue
        for path in files:
            kept = ".." not in path.parts and "__pycache__" not in path.parts
            if kept and path.name not in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}:
                yield path.as_posix(), path.read_binary()


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _zip(files: Iterable[_File]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, for the permissions
            info.external_attr = (0o100755 if Path(name).name in _EXECUTABLE else 0o100644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()
