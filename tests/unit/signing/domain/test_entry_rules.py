from dataclasses import replace
from typing import Any

import pytest

from sluice_signing import PackageLimits, PackageRefusedError
from sluice_signing.domain.entry_rules import check_entries, with_marked_names
from sluice_signing.domain.zip_layout import DEFLATED, FLAG_DESCRIPTOR, FLAG_HINTS, FLAG_UTF8, STORED, Entry


def _entry(name: str, *, size: int = 1, **changes: Any) -> Entry:
    plain = Entry(
        name=name,
        host=3,
        needed=10,
        flags=0 if name.isascii() else FLAG_UTF8,
        method=STORED,
        crc32=0,
        compressed_size=size,
        size=size,
        mode=0,
        dos_attributes=0,
        header_offset=0,
    )
    return replace(plain, **changes)


def _code(*entries: Entry) -> str:
    """Return the reason's code, or nothing if the entries are accepted."""
    try:
        check_entries(entries, PackageLimits())
    except PackageRefusedError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    "name",
    [
        "固件（新）：说明！.txt",
        "more….txt",
        "console.txt",
        "com10.bin",
        "compress",
        "null.txt",
        "..a/b..c.txt",
        ".hidden",
    ],
)
def test_names_that_only_look_special_are_accepted(name: str) -> None:
    assert _code(_entry(name)) == ""


@pytest.mark.parametrize(
    "name", ["con", "PRN.txt", "docs/Aux", "nul .txt", "LPT9.tar.gz", "COM²", "CONOUT$", "\uff23on"]
)
def test_a_device_of_windows_is_refused(name: str) -> None:
    assert _code(_entry(name)) == "bad_name"


@pytest.mark.parametrize(
    "name", ["\uff0e\uff0e/x", "..\uff0fx", "\u2025/x", "a/\uff0e./x", "\uff0fx", "\uff3cx", "\uff43\uff1ax"]
)
def test_a_name_that_leads_out_when_it_is_folded_is_refused(name: str) -> None:
    assert _code(_entry(name)) == "path_traversal"


@pytest.mark.parametrize(("mode", "dos_attributes"), [(0, 0), (0o040755, 0x10), (0o040755, 0), (0, 0x10), (0o755, 0)])
def test_a_folder_may_say_so_by_its_attributes_or_leave_them_out(mode: int, dos_attributes: int) -> None:
    assert _code(_entry("docs/", size=0, mode=mode, dos_attributes=dos_attributes), _entry("docs/a.txt")) == ""


@pytest.mark.parametrize(("mode", "dos_attributes"), [(0, 0), (0o100644, 0), (0, 0x20), (0o100755, 0x21), (0o644, 0)])
def test_a_file_has_the_attributes_of_a_file_or_none(mode: int, dos_attributes: int) -> None:
    assert _code(_entry("app.bin", mode=mode, dos_attributes=dos_attributes)) == ""


@pytest.mark.parametrize("mode", [0o040755, 0])
def test_a_file_with_the_attributes_of_a_folder_is_refused(mode: int) -> None:
    assert _code(_entry("app.bin", mode=mode, dos_attributes=0x10)) == "file_and_folder"


def test_a_file_that_is_the_folder_of_another_is_refused_in_any_order() -> None:
    for entries in ((_entry("a"), _entry("A/b/c")), (_entry("a/b/c"), _entry("a/b"))):
        assert _code(*entries) == "file_and_folder"
    assert _code(_entry("a/", size=0), _entry("a/b"), _entry("ab"), _entry("a.b")) == ""


def test_only_known_flags_are_accepted() -> None:
    accepted = {0, 0x0002, 0x0004, FLAG_HINTS, FLAG_UTF8, FLAG_DESCRIPTOR}
    for flag in {0x0000, *(1 << bit for bit in range(16)), FLAG_HINTS}:
        code = _code(_entry("app.bin", flags=flag, method=DEFLATED))
        assert code == "" if flag in accepted else code in {"unsupported_zip", "encrypted_entry"}, hex(flag)


def test_stored_content_has_its_size_before_it() -> None:
    assert _code(_entry("app.bin", flags=FLAG_DESCRIPTOR)) == "unsupported_zip"
    assert _code(_entry("empty.txt", flags=FLAG_DESCRIPTOR, size=0)) == ""


@pytest.mark.parametrize("host", range(256))
def test_attributes_are_those_of_a_system_that_all_readers_know_alike(host: int) -> None:
    assert _code(_entry("app.bin", host=host)) == ("" if host in {0, 3, 10, 19} else "unsupported_zip")


@pytest.mark.parametrize("needed", [0, 10, 20, 21, 45, 62, 63, 64, 255, 256, 0xFFFF])
def test_no_more_of_the_format_is_needed_than_version_2_0(needed: int) -> None:
    assert _code(_entry("app.bin", needed=needed)) == ("" if needed <= 20 else "unsupported_zip")


@pytest.mark.parametrize("bit", range(16))
def test_attributes_make_nothing_but_files_and_folders(bit: int) -> None:
    code = {3: "special_file", 4: "file_and_folder", 6: "special_file", 10: "special_file"}.get(bit, "")
    for host in (0, 3, 10, 19):
        assert _code(_entry("app.bin", host=host, dos_attributes=1 << bit)) == code


def test_a_name_beyond_ascii_must_be_marked_as_utf_8_and_signing_marks_it() -> None:
    unmarked = _entry("固件.bin", flags=0)
    assert _code(unmarked) == "name_encoding"
    from_dos = _entry("固件.bin", host=0)
    assert _code(from_dos) == "name_encoding"
    for entry in (unmarked, from_dos):
        assert _code(*with_marked_names([entry])) == ""
    assert with_marked_names([_entry("app.bin")]) == (_entry("app.bin"),)
