"""Values of resources, by their types."""

import pytest

from sluice_common.messages.device_events import ResourceValue
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.resources import Kind
from sluice_lwm2m.domain.encoding.values import MAX_TEXT, Number, from_bytes, from_text, from_tree, from_utf8


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("-97", Kind.INTEGER, -97),
        (" 7 ", Kind.INTEGER, 7),
        ("-97.0", Kind.INTEGER, -97),
        ("7.5", Kind.FLOAT, 7.5),
        ("1", Kind.BOOLEAN, True),
        ("False", Kind.BOOLEAN, False),
        ("1.0", Kind.STRING, "1.0"),
        ("1.0", None, "1.0"),
    ],
)
def test_text_is_converted_to_the_type_of_its_resource(text: str, kind: Kind | None, value: ResourceValue) -> None:
    result = from_text(text, kind)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", Kind.INTEGER),
        ("weak", Kind.INTEGER),
        ("1_0", Kind.INTEGER),
        ("٣", Kind.INTEGER),
        ("nan", Kind.FLOAT),
        ("1e999", Kind.FLOAT),
        ("9223372036854775808", Kind.INTEGER),
        ("9" * 5000, Kind.INTEGER),
        ("yes", Kind.BOOLEAN),
        ("x" * (MAX_TEXT + 1), Kind.STRING),
    ],
)
def test_text_of_another_type_is_an_error(text: str, kind: Kind) -> None:
    with pytest.raises(PayloadError):
        from_text(text, kind)


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        (b"\x9f", Kind.INTEGER, -97),
        (b"\xff\x9f", Kind.INTEGER, -97),
        (b"\x04\x27\x6d\x55", Kind.INTEGER, 69_692_757),
        (b"\x80" + bytes(7), Kind.INTEGER, -(2**63)),
        (b"\x40\xf0\x00\x00", Kind.FLOAT, 7.5),
        (b"\x40\x1e" + bytes(6), Kind.FLOAT, 7.5),
        (b"\x01", Kind.BOOLEAN, True),
        (b"1.0", Kind.STRING, "1.0"),
        (b"\x00\x42\x00\x01", Kind.LINK, "66:1"),
        (b"\xca\xfe", Kind.OPAQUE, "hex:cafe"),
        (b"\xca\xfe", None, "hex:cafe"),
        (b"-97", Kind.INTEGER, -97),
        (b"69692757", Kind.INTEGER, 0x3639363932373537),  # as long as a number: one
        (b"123456789", Kind.INTEGER, 123_456_789),
        (b"true", Kind.BOOLEAN, True),
    ],
)
def test_bytes_are_converted_to_the_type_of_their_resource(raw: bytes, kind: Kind | None, value: ResourceValue) -> None:
    result = from_bytes(raw, kind)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", Kind.INTEGER),
        (b"\0\0\0", Kind.INTEGER),
        (b"\0", Kind.FLOAT),
        (b"\x7f\xc0\x00\x00", Kind.FLOAT),
        (b"\x02", Kind.BOOLEAN),
        (b"\xff", Kind.STRING),
        (b"\0\0", Kind.LINK),
        (b"x" * MAX_TEXT, Kind.OPAQUE),
    ],
)
def test_bytes_of_another_type_are_an_error(raw: bytes, kind: Kind) -> None:
    with pytest.raises(PayloadError):
        from_bytes(raw, kind)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (-97, Kind.INTEGER, -97),
        (-97.0, Kind.INTEGER, -97),
        ("-97", Kind.INTEGER, -97),
        (True, Kind.BOOLEAN, True),
        (True, None, True),
        (1.5, None, 1.5),
        (b"\x01", Kind.OPAQUE, "hex:01"),
        ("1.0", Kind.STRING, "1.0"),
        (1, Kind.BOOLEAN, True),
        (1, Kind.STRING, "1"),
        (Number("1.10"), Kind.STRING, "1.10"),
        (Number("1.10"), None, 1.1),
        (Number("-97.0"), Kind.INTEGER, -97),
        ("-97\0", Kind.INTEGER, -97),
    ],
)
def test_a_typed_value_is_kept(value: object, kind: Kind | None, expected: ResourceValue) -> None:
    assert from_tree(value, kind) == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, None),
        ([], None),
        (True, Kind.INTEGER),
        (2, Kind.BOOLEAN),
        (1.1, Kind.STRING),
        (b"1", Kind.STRING),
        (2**63, None),
        (float("inf"), None),
    ],
)
def test_a_value_of_another_type_is_an_error(value: object, kind: Kind | None) -> None:
    with pytest.raises(PayloadError):
        from_tree(value, kind)


def test_text_is_utf_8_or_gbk_up_to_the_nul_that_ends_it() -> None:
    assert from_utf8("é".encode()) == "é"
    assert from_utf8("华为".encode("gbk")) == "华为"
    assert from_utf8(b"\xef\xbb\xbf1.0\0\xff") == "1.0"
    with pytest.raises(PayloadError):
        from_utf8(b"\xe9")
