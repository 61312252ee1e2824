"""What the entries of a package may be: names, kinds, sizes, and which one is the image.

The tool applies these rules before it signs, the service before it believes: a package that was
signed is not refused later for its form. Signatures and contents are not looked at here.
"""

import re
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from sluice_signing.domain.errors import (
    AmbiguousNameError,
    BadNameError,
    DuplicateNameError,
    EmptyImageError,
    EncryptedEntryError,
    FileAndFolderError,
    NameEncodingError,
    NestedArchiveError,
    NoBinError,
    PathTraversalError,
    SeveralBinError,
    SpecialFileError,
    TooBigError,
    UnsupportedZipError,
    ZipBombError,
)
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.manifest import MANIFEST_NAME
from sluice_signing.domain.zip_layout import (
    DEFLATED,
    FLAG_DESCRIPTOR,
    FLAG_ENCRYPTED,
    FLAG_HINTS,
    FLAG_MASKED_HEADERS,
    FLAG_STRONG_ENCRYPTION,
    FLAG_UTF8,
    HOST_DOS,
    HOST_NTFS,
    MAX_NEEDED,
    STORED,
    Entry,
)

_ENCRYPTED = FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED_HEADERS
_KNOWN_FLAGS = _ENCRYPTED | FLAG_HINTS | FLAG_DESCRIPTOR | FLAG_UTF8
_DOS_FOLDER = 0x10
_DOS_SPECIAL = 0x0008 | 0x0040 | 0x0400
"""Volume label, which Info-ZIP leaves out, device, and reparse point (Win32 "File Attribute Constants")."""
_HOSTS = frozenset({HOST_DOS, 3, HOST_NTFS, 19})
"""MS-DOS, Unix, Windows NTFS, macOS: of others some readers take other attributes or names (APPNOTE §4.4.2)."""
_RESERVED_FOLDER = "meta-inf/sluice"
_IMAGE_SUFFIX = ".bin"
_DRIVE = re.compile(r"[A-Za-z]:")
_SEPARATOR = re.compile(r"[/\\]")
_FORBIDDEN_CHARACTERS = frozenset('\\:*?"<>|')
# "Naming Files, Paths, and Namespaces" of the Win32 documentation; with any ending, too.
_PORTS = frozenset(f"{port}{number}" for port in ("com", "lpt") for number in range(10))
_DEVICES = _PORTS | {"con", "prn", "aux", "nul", "conin$", "conout$"}


def check_entries(entries: Sequence[Entry], limits: PackageLimits) -> None:
    """Check every entry by itself, all names against each other, and the sum of sizes.

    Raises:
        PackageRefusedError: The first rule that is broken.
    """
    seen: dict[str, str] = {}
    for entry in entries:
        _check_name(entry.name, limits)
        # Info-ZIP takes names from MS-DOS for those of its code pages, whatever the flag says.
        if not entry.name.isascii() and (not entry.flags & FLAG_UTF8 or entry.host == HOST_DOS):
            raise NameEncodingError(name=entry.name)
        key = _name_key(entry.name)
        if key in seen:
            raise (DuplicateNameError if seen[key] == entry.name else AmbiguousNameError)(name=entry.name)
        seen[key] = entry.name
        _check_kind(entry)
        _check_sizes(entry, limits)
    _check_parents(entries)
    content = sum(entry.size for entry in entries if entry.name != MANIFEST_NAME)
    if content > limits.max_content_bytes:
        raise TooBigError(part="content", size=content, limit=limits.max_content_bytes)


def with_marked_names(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return entries whose names say to all readers that they are UTF-8, as signing makes them.

    Info-ZIP writes UTF-8 without its flag, and much software says MS-DOS where it means Windows.
    """
    return tuple(entry if entry.name.isascii() else _marked(entry) for entry in entries)


def _marked(entry: Entry) -> Entry:
    host = HOST_NTFS if entry.host == HOST_DOS else entry.host
    return replace(entry, flags=entry.flags | FLAG_UTF8, host=host)


def find_image(entries: Sequence[Entry]) -> Entry:
    """Return the one ``.bin`` entry, which is what devices receive (R020, R024).

    Raises:
        PackageRefusedError: There is none, more than one, or it is empty.
    """
    images = [entry for entry in entries if entry.name.casefold().endswith(_IMAGE_SUFFIX)]
    if not images:
        raise NoBinError
    if len(images) > 1:
        raise SeveralBinError(names=", ".join(repr(image.name) for image in images))
    if not images[0].size:
        raise EmptyImageError(name=images[0].name)
    return images[0]


def _folded(name: str) -> str:
    """Return a name as readers see it that take full-width and other compatible characters for one."""
    return unicodedata.normalize("NFKC", name)


def _name_key(name: str) -> str:
    """Return what two names share that some file system takes for the same."""
    return _folded(name).casefold().rstrip("/")


def _check_name(name: str, limits: PackageLimits) -> None:
    if len(name.encode()) > limits.max_name_bytes:
        shown = name[: limits.max_name_bytes]
        raise BadNameError(name=shown, rule=f"it is longer than {limits.max_name_bytes} bytes")
    if _leads_out(name) or _leads_out(_folded(name)):
        raise PathTraversalError(name=name)
    # Control and direction characters would make names read as something else.
    if not name.isprintable() or _FORBIDDEN_CHARACTERS.intersection(name):
        raise BadNameError(name=name, rule="it has characters that file names may not have")
    for segment in name.removesuffix("/").split("/"):
        if segment in {"", "."}:
            raise BadNameError(name=name, rule="a part of it is empty or a dot")
        if segment[-1] in ". ":  # Windows drops these, so that two names become one
            raise BadNameError(name=name, rule="a part of it ends with a dot or a space")
    key = _name_key(name)
    if any(part.split(".")[0].rstrip() in _DEVICES for part in key.split("/")):
        raise BadNameError(name=name, rule="a part of it is a device on Windows")
    inside = key == _RESERVED_FOLDER or key.startswith(f"{_RESERVED_FOLDER}/")
    if inside and name != MANIFEST_NAME:
        raise BadNameError(name=name, rule="the folder META-INF/sluice is for the signature")


def _leads_out(name: str) -> bool:
    return name.startswith(("/", "\\")) or bool(_DRIVE.match(name)) or ".." in _SEPARATOR.split(name)


def _check_parents(entries: Sequence[Entry]) -> None:
    files = {_name_key(entry.name) for entry in entries if not entry.name.endswith("/")}
    for entry in entries:
        parts = _name_key(entry.name).split("/")
        if any("/".join(parts[:depth]) in files for depth in range(1, len(parts))):
            raise FileAndFolderError(name=entry.name)


def _check_kind(entry: Entry) -> None:
    if entry.flags & _ENCRYPTED:
        raise EncryptedEntryError(name=entry.name)
    if unknown := entry.flags & ~_KNOWN_FLAGS:
        raise UnsupportedZipError(feature=f"the general purpose flags {unknown:#06x}")
    if entry.method not in {STORED, DEFLATED}:
        raise UnsupportedZipError(feature=f"compression method {entry.method}")
    # Whoever reads without the directory could not know where such a content ends.
    if entry.method == STORED and entry.flags & FLAG_DESCRIPTOR and entry.compressed_size:
        raise UnsupportedZipError(feature="stored content with its size behind it")
    if entry.needed > MAX_NEEDED:
        raise UnsupportedZipError(feature=f"version {entry.needed / 10:g} of the zip format")
    if entry.host not in _HOSTS:
        raise UnsupportedZipError(feature=f"attributes of system {entry.host}")
    if stat.S_IFMT(entry.mode) not in {0, stat.S_IFREG, stat.S_IFDIR} or entry.dos_attributes & _DOS_SPECIAL:
        raise SpecialFileError(name=entry.name)
    if _is_both(entry):
        raise FileAndFolderError(name=entry.name)
    if _name_key(entry.name).endswith(".zip"):
        raise NestedArchiveError(name=entry.name)


def _is_both(entry: Entry) -> bool:
    """Return whether an entry's attributes contradict the slash at the end of its name, or its absence."""
    if entry.name.endswith("/"):
        return stat.S_ISREG(entry.mode)  # a folder without attributes is one
    return stat.S_ISDIR(entry.mode) or bool(entry.dos_attributes & _DOS_FOLDER)


def _check_sizes(entry: Entry, limits: PackageLimits) -> None:
    if entry.name.endswith("/") and entry.size:
        raise BadNameError(name=entry.name, rule="it names a folder, but has content")
    if entry.name == MANIFEST_NAME and entry.size > limits.max_manifest_bytes:
        raise TooBigError(part="manifest", size=entry.size, limit=limits.max_manifest_bytes)
    if entry.size <= limits.ratio_free_bytes:
        return
    if entry.size > limits.max_ratio * entry.compressed_size:
        raise ZipBombError(name=entry.name, compressed_size=entry.compressed_size, size=entry.size)
