import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_signing.domain.errors import ExtraFieldError, PackageRefusedError, UnsupportedZipError
from sluice_signing.domain.extra_fields import MAX_EXTRA_BYTES, check_extra_fields

NAME = "固件.bin"


def _field(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _path(name: str, of: str = NAME, version: int = 1) -> bytes:
    return _field(0x7075, struct.pack("<BL", version, crc32(of.encode())) + name.encode())


TIMES = _field(0x5455, b"\3" + bytes(8))
OWNER = _field(0x7875, b"\1\4" + bytes(4) + b"\4" + bytes(4))
NTFS = _field(0x000A, bytes(4) + struct.pack("<HH3Q", 1, 24, 134_000_000_000_000_000, 0, 0))
JAR = _field(0xCAFE, b"")


@pytest.mark.parametrize("raw", [b"", TIMES + OWNER, NTFS, JAR, _path(NAME), TIMES + _path(NAME) + OWNER])
def test_fields_that_ordinary_tools_write_are_accepted(raw: bytes) -> None:
    check_extra_fields(raw, NAME)


def test_the_longest_name_may_be_repeated_beside_all_times_and_owners() -> None:
    name = "n" * 255
    check_extra_fields(TIMES + OWNER + NTFS + JAR + _path(name, of=name), name)


@pytest.mark.parametrize(
    "raw",
    [
        _path("app.bin"),
        _path(NAME, of="app.bin"),
        _path(NAME, version=2),
        _path(NAME) + _path("b"),
        _field(0x7075, b""),
    ],
    ids=["other name", "other checksum", "other version", "second one differs", "empty"],
)
def test_a_unicode_path_that_does_not_repeat_the_name_is_refused(raw: bytes) -> None:
    with pytest.raises(ExtraFieldError, match="another name"):
        check_extra_fields(raw, NAME)


def test_zip64_is_refused_by_its_name() -> None:
    with pytest.raises(UnsupportedZipError, match="ZIP64"):
        check_extra_fields(TIMES + _field(0x0001, bytes(16)), NAME)


@pytest.mark.parametrize("kind", [0x0000, 0x000D, 0x0017, 0x6375, 0x6C78, 0x756E, 0x9901, 0xEEEE])
def test_any_other_field_is_refused(kind: int) -> None:
    with pytest.raises(ExtraFieldError, match=f"{kind:#06x}"):
        check_extra_fields(_field(kind, b"data"), NAME)


@pytest.mark.parametrize("kept", [1, 2, 3, 4, len(TIMES) - 1, len(TIMES) + 1])
def test_a_field_that_is_cut_off_is_refused(kept: int) -> None:
    with pytest.raises(ExtraFieldError, match="cut off"):
        check_extra_fields((TIMES + OWNER)[:kept], NAME)


def test_more_than_the_bound_is_refused() -> None:
    fitting = _field(0x7875, bytes(MAX_EXTRA_BYTES - 4))
    check_extra_fields(fitting, NAME)
    with pytest.raises(ExtraFieldError, match="513 bytes"):
        check_extra_fields(fitting + b"\0", NAME)


@given(st.binary(max_size=MAX_EXTRA_BYTES + 10))
def test_noise_is_refused_or_harmless(noise: bytes) -> None:
    try:
        check_extra_fields(noise, NAME)
    except PackageRefusedError:
        return
    position = 0
    while position < len(noise):
        kind, size = struct.unpack_from("<HH", noise, position)
        assert kind in {0x000A, 0x5455, 0x5855, 0x7855, 0x7875, 0xCAFE}
        position += 4 + size
    assert position == len(noise)


def _unix(*times: int) -> bytes:
    return _field(0x5455, struct.pack(f"<B{len(times)}l", 7, *times))


def _ntfs(*times: int) -> bytes:
    return _field(0x000A, struct.pack("<LHH3q", 0, 1, 24, *times))


IN_1970, IN_2026 = 116_444_736_000_000_000, 134_000_000_000_000_000


@pytest.mark.parametrize("raw", [_unix(0), _unix(1, 2**31 - 1, 0), _ntfs(IN_2026, 0, IN_1970), _unix()])
def test_times_from_1970_on_are_accepted_and_so_is_none_of_access(raw: bytes) -> None:
    check_extra_fields(raw, NAME)


@pytest.mark.parametrize(
    "raw",
    [
        _unix(-1),
        _unix(1, 2, -(2**31)),
        _ntfs(IN_1970 - 1, 0, 0),
        _ntfs(0, 0, 0),
        _ntfs(IN_2026, 0, 1),
        _ntfs(IN_2026, -(2**63), IN_2026),
    ],
)
def test_a_time_before_1970_is_refused_as_jar_gives_up_there(raw: bytes) -> None:
    with pytest.raises(ExtraFieldError, match="before 1970"):
        check_extra_fields(raw, NAME)
