import pytest

from sluice_signing import PackageLimits, PackageRefusedError
from sluice_signing.domain.entry_rules import check_entries
from sluice_signing.domain.zip_layout import DEFLATED, FLAG_DESCRIPTOR, FLAG_HINTS, FLAG_UTF8, STORED, Entry


def _entry(
    name: str, *, size: int = 1, flags: int = 0, method: int = STORED, mode: int = 0, dos_attributes: int = 0
) -> Entry:
    return Entry(
        name=name,
        flags=flags,
        method=method,
        crc32=0,
        compressed_size=size,
        size=size,
        mode=mode,
        dos_attributes=dos_attributes,
        header_offset=0,
    )


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
