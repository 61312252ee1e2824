"""Packages whose names and kinds of entries are hostile; their signatures are valid."""

import zipfile
from collections.abc import Callable, Iterator

from .making import BIN, IMAGE, Entries, Family, Hostile, signed, zipped


def _forms(cases: dict[str, Entries]) -> Callable[[], Iterator[Hostile]]:
    def make() -> Iterator[Hostile]:
        for name, entries in cases.items():
            raw = zipped(entries)
            yield Hostile(name, signed(raw), raw)

    return make


def _info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def _dos(name: str, attributes: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = attributes
    return info


FAMILIES: tuple[Family, ...] = (
    Family("too many entries", "too_many_entries", _forms({"1002": [BIN, *((f"{n}.txt", b"") for n in range(1000))]})),
    Family(
        "path traversal",
        "path_traversal",
        _forms(
            {
                "up": [BIN, ("../app.txt", b"x")],
                "up from inside": [BIN, ("a/../../app.txt", b"x")],
                "absolute": [BIN, ("/etc/passwd", b"x")],
                "drive letter": [BIN, ("C:/x.txt", b"x")],
                "drive letter without a slash": [BIN, ("c:x.txt", b"x")],
                "backslashes": [BIN, ("a\\..\\..\\b.txt", b"x")],
                "up in full width": [BIN, ("\uff0e\uff0e/app.txt", b"x")],
                "up by a leader of two dots": [BIN, ("a/\u2025/\u2025/app.txt", b"x")],
                "up by a full-width slash": [BIN, ("..\uff0fapp.txt", b"x")],
                "absolute in full width": [BIN, ("\uff0fetc/passwd", b"x")],
                "network share": [BIN, ("\\\\host\\share", b"x")],
            }
        ),
    ),
    Family(
        "deceptive names",
        "bad_name",
        _forms(
            {
                "empty part": [BIN, ("a//b.txt", b"x")],
                "line break": [BIN, ("a\nb.txt", b"x")],
                "reversed reading direction": [BIN, ("txt.\u202enib", b"x")],
                "trailing dot": [BIN, ("readme.", b"x")],
                "trailing space in a folder": [BIN, ("docs /readme", b"x")],
                "stream of another file": [BIN, ("readme.txt:evil", b"x")],
                "a device of Windows": [BIN, ("CON", b"x")],
                "a device with an ending": [BIN, ("docs/nul.tar.gz", b"x")],
                "a device as a folder": [BIN, ("aux/readme.txt", b"x")],
                "a port in superscript": [BIN, ("com\u00b9.txt", b"x")],
                "256 bytes": [BIN, ("固" * 86, b"x")],
                "folder with content": [BIN, ("docs/", b"x")],
                "beside the manifest": [BIN, ("META-INF/sluice/more.json", b"x")],
            }
        ),
    ),
    Family("duplicate names", "duplicate_name", _forms({"twice": [BIN, ("a.txt", b"x"), ("a.txt", b"y")]})),
    Family(
        "case tricks",
        "ambiguous_name",
        _forms(
            {
                "other case": [BIN, ("APP.BIN", b"other")],
                "other Unicode form": [BIN, ("\u00e9.txt", b"x"), ("e\u0301.txt", b"y")],
                "full width": [BIN, ("\uff41pp.bin", b"x")],
                "file and folder": [BIN, ("a", b"x"), ("a/", b"")],
            }
        ),
    ),
    Family(
        "symlinks",
        "special_file",
        _forms(
            {
                "symbolic link": [BIN, (_info("link", 0o120777), b"/etc/passwd")],
                "the image": [(_info("app.bin", 0o120777), b"/etc/passwd")],
                "device": [BIN, (_info("null", 0o020666), b"")],
                "pipe": [BIN, (_info("pipe", 0o010600), b"x")],
                "a volume label, which Info-ZIP leaves out": [BIN, (_dos("label.txt", 0x08), b"x")],
                "the image as a volume label": [(_dos("app.bin", 0x08), IMAGE)],
                "a device of MS-DOS": [BIN, (_dos("null.txt", 0x40), b"x")],
                "a reparse point of Windows": [BIN, (_dos("link.txt", 0x400), b"x")],
            }
        ),
    ),
    Family(
        "files that are folders",
        "file_and_folder",
        _forms(
            {
                "a file in the image": [BIN, ("app.bin/readme.txt", b"x")],
                "a file in the image, in other case": [("APP.BIN/docs/readme.txt", b"x"), BIN],
                "a file in a file, by a full-width slash": [BIN, ("a", b"x"), ("a\uff0fb", b"y")],
                "an image with a folder's mode": [(_info("app.bin", 0o040755), IMAGE)],
                "an image with a folder's attribute": [(_dos("app.bin", 0x10), IMAGE)],
                "a folder with a file's mode": [BIN, (_info("docs/", 0o100644), b"")],
            }
        ),
    ),
)
