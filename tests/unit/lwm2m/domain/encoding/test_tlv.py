"""TLV, against the example of OMA TS 1.0.2 §6.4.3.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.messages.device_events import ResourceValue
from sluice_lwm2m.domain.encoding.content import TLV, decode_content
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import Asked, Path, parse_path
from sluice_lwm2m.domain.encoding.tlv import decode_tlv

DEVICE = (
    b"\xc8\x00\x14Open Mobile Alliance"
    b"\xc8\x01\x16Lightweight M2M Client"
    b"\xc8\x02\x09345000123"
    b"\xc3\x031.0"
    b"\x86\x06\x41\x00\x01\x41\x01\x05"
    b"\x88\x07\x08\x42\x00\x0e\xd8\x42\x01\x13\x88"
    b"\x87\x08\x41\x00\x7d\x42\x01\x03\x84"
    b"\xc1\x09\x64"
    b"\xc1\x0a\x0f"
    b"\x83\x0b\x41\x00\x00"
    b"\xc4\x0d\x51\x82\x42\x8f"
    b"\xc6\x0e+02:00"
    b"\xc1\x10U"
)
VALUES = {
    (3, 0, 0): "Open Mobile Alliance",
    (3, 0, 1): "Lightweight M2M Client",
    (3, 0, 2): "345000123",
    (3, 0, 3): "1.0",
    (3, 0, 6, 0): 1,
    (3, 0, 6, 1): 5,
    (3, 0, 7, 0): 3800,
    (3, 0, 7, 1): 5000,
    (3, 0, 8, 0): 125,
    (3, 0, 8, 1): 900,
    (3, 0, 9): 100,
    (3, 0, 10): 15,
    (3, 0, 11, 0): 0,
    (3, 0, 13): 1_367_491_215,
    (3, 0, 14): "+02:00",
    (3, 0, 16): "U",
}


def read(path: Path, payload: bytes) -> dict[Path | None, ResourceValue]:
    return {parse_path(found): value for found, value in decode_content(Asked(path), TLV, payload).items()}


def test_the_example_of_an_object_instance_in_the_specification_is_read() -> None:
    assert read((3, 0), DEVICE) == VALUES


def test_an_object_instance_wrapped_for_its_object_is_read() -> None:
    wrapped = b"\x08\x00" + bytes([len(DEVICE)]) + DEVICE
    assert read((3,), wrapped) == VALUES
    assert read((3, 0), wrapped) == VALUES


def test_an_object_without_instance_tlv_is_its_single_instance() -> None:
    assert read((3,), DEVICE) == VALUES


@pytest.mark.parametrize(
    ("path", "payload", "values"),
    [
        ((3, 0, 3), b"\xc3\x031.0", {(3, 0, 3): "1.0"}),
        ((5, 0, 3), b"\xc1\x03\x02", {(5, 0, 3): 2}),
        ((5, 0, 3), b"\xe1\x00\x03\x02", {(5, 0, 3): 2}),
        ((3, 0, 6), b"\x86\x06\x41\x00\x01\x41\x01\x05", {(3, 0, 6, 0): 1, (3, 0, 6, 1): 5}),
        ((3, 0, 6), b"\x41\x00\x01", {(3, 0, 6, 0): 1}),
        ((4, 0), b"\xd0\x05\x00\x03abc", {(4, 0, 5): "abc"}),
        ((4, 0), b"\xd8\x05\x00\x00\x03abc", {(4, 0, 5): "abc"}),
        ((4, 0), b"", {}),
    ],
)
def test_ids_and_lengths_of_every_width_are_read(path: Path, payload: bytes, values: dict[Path, object]) -> None:
    assert read(path, payload) == values


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        ((3, 0), b"\xc3"),
        ((3, 0), b"\xc8\x00"),
        ((3, 0), b"\xc8\x00\xff\x00"),
        ((3, 0), b"\xd8\x00\xff\xff\xff"),
        ((3, 0, 3), b"\x03\x00\xc1\x00"),  # another Resource of the instance
        ((3, 0, 3), b"\x03\x01\xc1\x03\x31"),  # the Resource of another instance
        ((3, 0, 3), b"\xc1\x05\x00"),  # another Resource
    ],
)
def test_a_tlv_that_is_cut_off_or_misplaced_is_an_error(path: Path, payload: bytes) -> None:
    with pytest.raises(PayloadError):
        read(path, payload)


@pytest.mark.parametrize(
    ("path", "payload", "values"),
    [
        ((3, 0, 3), b"\x07\x00\xc5\x031.0.0", {(3, 0, 3): "1.0.0"}),
        ((5, 0, 3), b"\x03\x00\xc1\x03\x00", {(5, 0, 3): 0}),
        ((3, 0, 0), b"\x08\x00\x08\xc2\x00MX\xc2\x03v1", {(3, 0, 0): "MX"}),
        ((3, 0, 3), b"\xc2\x00MX\xc2\x03v1", {(3, 0, 3): "v1"}),
        ((3, 0, 6, 1), b"\x86\x06\x41\x00\x01\x41\x01\x05", {(3, 0, 6, 1): 5}),
        ((3, 0, 3), b"\x84\x03\x42\x00v1", {(3, 0, 3): "v1"}),  # one value in the header of several
        ((4, 0), b"\x83\x08\x41\x00\x07", {(4, 0, 8): 7}),
        ((3, 0, 3), b"\xc3\x09\x00\x00\x00\xc2\x03v1", {(3, 0, 3): "v1"}),  # a sibling that is no Integer
        ((4, 0), b"\xc3\x02\x00\x00\x00\xc1\x08\x07", {(4, 0, 8): 7}),
        ((3, 0), b"\x41\x00\x01\xc2\x03v1", {(3, 0, 3): "v1"}),  # a Resource Instance without its Resource
        ((3, 0), b"\x41\x00\x01", {}),
    ],
)
def test_what_was_asked_for_is_taken_and_what_is_around_it_passed_over(
    path: Path, payload: bytes, values: dict[Path, object]
) -> None:
    assert read(path, payload) == values


def test_object_instances_within_each_other_are_passed_over_however_many_they_are() -> None:
    nested = b""
    while len(nested) < 15_000:
        nested = b"\x10\x00" + len(nested).to_bytes(2) + nested
    assert list(decode_tlv(Asked((3, 0)), nested)) == []


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=4).map(tuple), st.binary(max_size=64))
def test_any_bytes_are_values_below_the_path_or_an_error(path: Path, payload: bytes) -> None:
    try:
        values = read(path, payload)
    except PayloadError:
        return
    assert all(found is None or found[: len(path)] == path for found in values)
