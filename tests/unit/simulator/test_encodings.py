"""Content formats against the examples of OMA and RFC 8428."""

import contextlib
import json

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_simulator.encodings import (
    OPAQUE,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    ContentError,
    Resources,
    Scalar,
    decode_string,
    encode_senml_cbor,
    encode_senml_json,
    encode_text,
    encode_tlv,
    encode_tlv_instances,
)

DEVICE: Resources = {
    0: "Open Mobile Alliance",
    1: "Lightweight M2M Client",
    2: "345000123",
    3: "1.0",
    6: {0: 1, 1: 5},
    7: {0: 3800, 1: 5000},
    8: {0: 125, 1: 900},
    9: 100,
    10: 15,
    11: {0: 0},
    13: 1_367_491_215,
    14: "+02:00",
    16: "U",
}
# OMA TS 1.0.2 §6.4.3.2, the single-instance example: GET /3/0.
DEVICE_TLV = bytes.fromhex(
    "C80014 4F70656E204D6F62696C6520416C6C69616E6365"
    "C80116 4C69676874776569676874204D324D20436C69656E74"
    "C80209 333435303030313233"
    "C303 312E30"
    "8606 4100 01 4101 05"
    "880708 4200 0ED8 4201 1388"
    "8708 4100 7D 4201 0384"
    "C109 64"
    "C10A 0F"
    "830B 4100 00"
    "C40D 5182428F"
    "C60E 2B30323A3030"
    "C110 55"
)


def test_the_device_object_of_the_specification_is_written_as_there() -> None:
    assert encode_tlv(DEVICE) == DEVICE_TLV


def test_an_enclosing_instance_is_written_as_in_the_specification() -> None:
    assert encode_tlv_instances({0: DEVICE}) == bytes.fromhex("080079") + DEVICE_TLV


def test_the_access_control_object_of_the_specification_has_16_bit_identifiers() -> None:
    # OMA TS 1.0.2 §6.4.3.2, the multiple-instance example: GET /2.
    access: dict[int, Resources] = {
        0: {0: 1, 1: 0, 2: {127: 7}, 3: 127},
        2: {0: 3, 1: 0, 2: {127: 7, 310: 1}, 3: 127},
    }
    assert encode_tlv_instances(access) == bytes.fromhex(
        "08000E C10001 C10100 8302417F07 C1037F080212 C10003 C10100 8702417F0761013601 C1037F"
    )


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (-1, "C105FF"),
        (127, "C1057F"),
        (128, "C2050080"),
        (-105, "C10597"),
        (32_767, "C2057FFF"),
        (69_696_969, "C40504277DC9"),
        (2**31, "C805080000000080000000"),
        (True, "C10501"),
        (1.5, "C805083FF8000000000000"),
        ("", "C005"),
    ],
)
def test_values_take_the_width_that_they_need(value: Scalar, data: str) -> None:
    assert encode_tlv({5: value}).hex().upper() == data


def test_lengths_of_8_16_and_24_bits() -> None:
    assert encode_tlv({0: "x" * 7})[:2] == bytes.fromhex("C700")
    assert encode_tlv({0: "x" * 255})[:3] == bytes.fromhex("C800FF")
    assert encode_tlv({0: "x" * 256})[:4] == bytes.fromhex("D0000100")
    assert encode_tlv({0: "x" * 65_536})[:5] == bytes.fromhex("D800010000")


def test_senml_json_has_the_base_name_once() -> None:
    # The shape of OMA TS 1.1.1 §7.4.4, table 7.4.4-2.
    records = json.loads(encode_senml_json("/3/0", {0: "Open", 9: 100, 6: {0: 1, 1: 5}, 12: True}))
    assert records == [
        {"bn": "/3/0/", "n": "0", "vs": "Open"},
        {"n": "9", "v": 100},
        {"n": "6/0", "v": 1},
        {"n": "6/1", "v": 5},
        {"n": "12", "vb": True},
    ]


def test_senml_cbor_uses_the_integer_labels() -> None:
    # RFC 8428 §6, table 4: bn -2, n 0, v 2, vs 3.
    assert encode_senml_cbor("/4/0", {2: -90}) == bytes.fromhex("81 A3 21 65 2F342F302F 00 61 32 02 38 59")
    assert cbor2.loads(encode_senml_cbor("/3/0", {3: "1.0"})) == [{-2: "/3/0/", 0: "3", 3: "1.0"}]


def test_text_writes_booleans_as_digits() -> None:
    assert encode_text(value=True) == b"1"
    assert encode_text(-105) == b"-105"
    assert encode_text("1.0") == b"1.0"
    with pytest.raises(ContentError):
        encode_text({0: 1})


@given(st.text(max_size=300))
def test_a_string_survives_every_format(text: str) -> None:
    assert decode_string(TEXT, encode_text(text)) == text
    assert decode_string(OPAQUE, text.encode()) == text
    assert decode_string(TLV, encode_tlv({1: text})) == text
    assert decode_string(SENML_JSON, encode_senml_json("/5/0", {1: text})) == text
    assert decode_string(SENML_CBOR, encode_senml_cbor("/5/0", {1: text})) == text


@given(content_format=st.sampled_from([TEXT, OPAQUE, TLV, SENML_JSON, SENML_CBOR, 60]), payload=st.binary(max_size=40))
def test_any_payload_is_a_string_or_a_content_error(content_format: int, payload: bytes) -> None:
    with contextlib.suppress(ContentError):
        assert isinstance(decode_string(content_format, payload), str)


@pytest.mark.parametrize("payload", [b"[]", b"[1]", b'[{"v":1}]', b'{"vs":"x"}', b"nonsense"])
def test_json_without_one_string_is_refused(payload: bytes) -> None:
    with pytest.raises(ContentError):
        decode_string(SENML_JSON, payload)
