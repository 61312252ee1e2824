"""SenML and LwM2M JSON, against examples of OMA TS 1.1.1 §7.4.4 and TS 1.0.2 §6.4.4."""

import json

import cbor2
import pytest

from sluice_common.messages.device_events import ResourceValue
from sluice_lwm2m.domain.encoding.content import decode_content
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import Asked, Path, parse_path

NAMES = {"bt": -3, "bn": -2, "t": 6, "n": 0, "v": 2, "vs": 3, "vb": 4, "vd": 8}
DEVICE: list[dict[str, object]] = [
    {"bn": "/3/0/", "n": "0", "vs": "Open Mobile Alliance"},
    {"n": "3", "vs": "1.0"},
    {"n": "6/0", "v": 1},
    {"n": "6/1", "v": 5},
    {"n": "9", "v": 100},
    {"n": "13", "v": 1.3674912e9},
    {"n": "14", "vs": "+02:00"},
]
VALUES: dict[Path, ResourceValue] = {
    (3, 0, 0): "Open Mobile Alliance",
    (3, 0, 3): "1.0",
    (3, 0, 6, 0): 1,
    (3, 0, 6, 1): 5,
    (3, 0, 9): 100,
    (3, 0, 13): 1_367_491_200,
    (3, 0, 14): "+02:00",
}


def read(content_format: int, path: Path, payload: bytes, root: str = "") -> dict[Path | None, ResourceValue]:
    values = decode_content(Asked(path, root), content_format, payload)
    return {parse_path(found): value for found, value in values.items()}


def as_cbor(pack: list[dict[str, object]]) -> bytes:
    return cbor2.dumps([{NAMES[k]: v for k, v in record.items()} for record in pack])


def test_an_instance_in_json_is_read() -> None:
    assert read(110, (3, 0), json.dumps(DEVICE).encode()) == VALUES


def test_an_instance_in_cbor_is_read() -> None:
    assert read(112, (3, 0), as_cbor(DEVICE)) == VALUES


def test_a_single_resource_may_be_named_by_the_base_name_alone() -> None:
    assert read(110, (5, 0, 3), b'[{"bn":"/5/0/3","v":2}]') == {(5, 0, 3): 2}
    assert read(112, (3, 0, 3), as_cbor([{"bn": "/3/0/3", "vs": "1.0"}])) == {(3, 0, 3): "1.0"}


def test_a_base_name_alone_is_no_value() -> None:
    assert read(110, (4, 0), b'[{"bn":"/4/0/"},{"n":"2","v":-97}]') == {(4, 0, 2): -97}


@pytest.mark.parametrize(
    ("path", "payload", "values"),
    [
        ((4, 0), b'{"bn":"/4/0/","e":[{"n":"2","v":-97},{"n":"8","v":5}]}', {(4, 0, 2): -97, (4, 0, 8): 5}),
        ((4, 0), b'{"e":[{"n":"2","v":-97}]}', {(4, 0, 2): -97}),
        ((4, 0), b'{"bn":"/4/0","e":[{"n":"/2","v":-97}]}', {(4, 0, 2): -97}),
        ((5, 0, 3), b'{"bn":"/5/0/3","e":[{"v":2}]}', {(5, 0, 3): 2}),
        ((5, 0, 3), b'{"e":[{"n":"","v":2}]}', {(5, 0, 3): 2}),
        ((3, 0, 3), b'{"bn":"/3/0/","e":[{"n":"3","sv":"1.0"}]}', {(3, 0, 3): "1.0"}),
        ((1, 1, 6), b'{"bn":"/1/1/6","e":[{"bv":true}]}', {(1, 1, 6): True}),
    ],
)
def test_lwm2m_json_is_read(path: Path, payload: bytes, values: dict[Path, ResourceValue]) -> None:
    assert read(11543, path, payload) == values


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[1]",
        b"nonsense",
        b"\xff\xff",
        b"[" * 10_000,
        b'[{"n":"/5/0/3","v":2}]',  # not below /4/0
        b'[{"n":"/4/0/../5","v":2}]',
        b'[{"bn":5,"v":2}]',
        b'[{"n":"/4/0/2","v":2,"vs":"2"}]',
        b'[{"n":"/4/0/2","v":1e400}]',
        b'[{"n":"/4/0/2","v":99999999999999999999}]',
        b"[" + b",".join([b"{}"] * 1_025) + b"]",
    ],
)
def test_malformed_senml_is_an_error(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        read(110, (4, 0), payload)


@pytest.mark.parametrize(
    "payload", [b'{"e":5}', b'{"bn":"/4/0/"}', b'{"e":[{"n":"2"}]}', b'{"bn":"/9/0/","e":[{"n":"2","v":1}]}']
)
def test_malformed_lwm2m_json_is_an_error(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        read(11543, (4, 0), payload)


def test_cbor_that_is_no_pack_is_an_error() -> None:
    for payload in (b"", b"\x01", cbor2.dumps([[1]]), cbor2.dumps([{0: 5, 2: 1}])):
        with pytest.raises(PayloadError):
            read(112, (4, 0), payload)


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        ((3, 0, 3), b'[{"bn":"/3/0/","n":"0","vs":"MX"},{"n":"3","vs":"1.0"}]'),
        ((3, 0, 3), b'[{"n":"/3/0/0","vs":"MX"},{"n":"/3/0/3","vs":"1.0"}]'),
        ((3, 0, 3), b'[{"bn":"/3/0","n":"0","vs":"MX"},{"n":"3","vs":"1.0"}]'),  # the slash is missing
        ((3, 0, 3), b'[{"n":"0","vs":"MX"},{"n":"3","vs":"1.0"}]'),  # relative to the instance
        ((3, 0, 3), b'[{"n":"3/0/3","vs":"1.0"}]'),
        ((3, 0, 3), b'[{"n":"/3/0/3/","vs":"1.0"}]'),
        ((3, 0, 3), b'[{"n":"/3/0/3/0","vs":"1.0"}]'),  # an instance of what has one value
        ((3, 0, 3), b'[{"vs":"1.0"}]'),
        ((3, 0, 3), b'{"bn":"/3/0/","e":[{"n":"0","sv":"MX"},{"n":"3","sv":"1.0"}]}'),
        ((3, 0, 3), b'"1.0"'),
        ((3, 0, 3), b'[{"n":"/3/0/9","v":true},{"n":"/3/0/3","vs":"1.0"}]'),  # a sibling of another type
        ((3, 0, 3), b'\xef\xbb\xbf[{"n":"/3/0/3","vs":"1.0"}]\0\0'),
        ((3, 0, 3), b'[{"n":"/3/0/0","vs":"M\t\nX"},{"n":"/3/0/3","vs":"1.0"}]'),
        ((3, 0, 3), '[{"n":"/3/0/0","vs":"华为"},{"n":"/3/0/3","vs":"1.0"}]'.encode("gbk")),
    ],
)
def test_what_was_asked_for_is_found_however_records_are_named_and_written(path: Path, payload: bytes) -> None:
    assert read(110, path, payload) == {path: "1.0"}
    assert read(11543, path, payload) == {path: "1.0"}


@pytest.mark.parametrize("digits", ["1.10", "1.0", "2", "10", "1.20"])
def test_a_version_that_is_a_number_in_json_keeps_its_digits(digits: str) -> None:
    payload = f'[{{"bn":"/3/0/3","v":{digits}}}]'.encode()
    assert read(110, (3, 0, 3), payload) == {(3, 0, 3): digits}


def test_a_version_that_is_a_number_in_cbor_is_taken_only_if_it_has_its_digits() -> None:
    assert read(112, (3, 0, 3), as_cbor([{"bn": "/3/0/3", "v": 2}])) == {(3, 0, 3): "2"}
    with pytest.raises(PayloadError):
        read(112, (3, 0, 3), as_cbor([{"bn": "/3/0/3", "v": 1.1}]))


@pytest.mark.parametrize("name", ["/lwm2m/5/0/3", "lwm2m/5/0/3", "/5/0/3", "5/0/3"])
def test_names_below_the_alternate_path_are_understood(name: str) -> None:
    assert read(110, (5, 0, 3), json.dumps([{"bn": name, "v": 2}]).encode(), "/lwm2m") == {(5, 0, 3): 2}
    assert read(112, (5, 0, 3), as_cbor([{"n": name, "vs": "2"}]), "/lwm2m") == {(5, 0, 3): 2}


def test_a_record_of_something_else_alone_is_an_error() -> None:
    for payload in (b'[{"n":"/3/0/0","vs":"MX"}]', b'[{"n":"/3/1/3","vs":"1.0"}]', b'[{"n":"0","vs":"MX"}]', b"[]"):
        with pytest.raises(PayloadError):
            read(110, (3, 0, 3), payload)


@pytest.mark.parametrize(
    "payload",
    [
        b'[{"bn":"/5/0/3","bt":100,"v":1},{"t":10,"v":2}]',
        b'[{"n":"/5/0/3","v":1},{"n":"/5/0/3","v":2}]',
        b'[{"bn":"/5/0/","n":"3","t":-5,"v":2},{"n":"3","t":-30,"v":1}]',
        b'{"bn":"/5/0/3","bt":25462634,"e":[{"t":-5,"v":2},{"t":"-30","v":1}]}',  # newest first, as TS 1.0.2 has it
        b'[{"n":"/5/0/3","t":null,"v":1},{"n":"/5/0/3","t":1e999,"v":2}]',
    ],
)
def test_of_several_values_of_a_resource_the_newest_is_taken(payload: bytes) -> None:
    assert read(110, (5, 0, 3), payload) == {(5, 0, 3): 2}
