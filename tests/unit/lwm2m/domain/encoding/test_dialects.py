"""Answers as devices write them: what was asked for is found, whatever stands around it and however it is written."""

import json
import re
from typing import Any, Self

import cbor2
from hypothesis import example, given
from hypothesis import strategies as st

from sluice_common.messages.base import to_json
from sluice_common.messages.device_events import ResourceValue
from sluice_lwm2m.domain.encoding.content import TLV, decode_content
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import Asked, Path, path_text
from sluice_lwm2m.domain.encoding.tlv import TlvType

SENML_JSON, SENML_CBOR, OMA_JSON = 110, 112, 11543
LABELS = {"bn": -2, "n": 0, "v": 2, "vs": 3, "vb": 4, "vd": 8}
VERSIONS = st.from_regex(r"[0-9]{1,3}\.[1-9][0-9]{0,2}", fullmatch=True)
READINGS = st.one_of(
    st.tuples(st.just((3, 0, 3)), VERSIONS),
    st.tuples(st.sampled_from([(5, 0, 3), (5, 0, 5)]), st.integers(0, 11)),
    st.tuples(st.sampled_from([(4, 0, 2), (4, 0, 8), (4, 0, 11)]), st.integers(-140, 2**28)),
    st.tuples(st.just((1, 3, 6)), st.booleans()),
)
"""A resource that has one value, and the value."""
OTHERS = st.lists(
    st.tuples(st.integers(0, 30), st.one_of(st.text(max_size=5), st.integers(-9, 9), st.booleans(), st.none())),
    max_size=4,
)
"""Resources of the same instance, and values that may be of any other type than theirs."""


def raw(value: ResourceValue) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return int(value or 0).to_bytes(1 if isinstance(value, bool) else 4, signed=True)


@st.composite
def tlvs(draw: st.DrawFn, kind: TlvType, number: int, value: bytes) -> bytes:
    """One TLV, its id and its length in as many bytes as it takes or in more."""
    wide = number > 0xFF or draw(st.booleans())
    least = 0 if len(value) < 8 else len(value).bit_length() + 7 >> 3
    width = draw(st.integers(least, 3))
    head = kind << 6 | wide << 5 | (width << 3 if width else len(value))
    return bytes((head,)) + number.to_bytes(1 + wide) + (len(value).to_bytes(width) if width else b"") + value


@st.composite
def tlv_answers(draw: st.DrawFn, path: Path, value: ResourceValue, others: list[tuple[int, object]]) -> bytes:
    """The resource: alone or in the header of several, beside others, in its object instance beside others, or not."""
    _, instance, number = path
    if draw(st.booleans()):
        found = draw(tlvs(TlvType.RESOURCE, number, raw(value)))
    else:
        found = draw(tlvs(TlvType.MULTIPLE_RESOURCE, number, draw(tlvs(TlvType.RESOURCE_INSTANCE, 0, raw(value)))))
    beside = [
        draw(tlvs(TlvType.RESOURCE, other, draw(st.binary(max_size=9)))) for other, _ in others if other != number
    ]
    content = b"".join(draw(st.permutations([found, *beside])))
    if not draw(st.booleans()):
        return content
    around = [draw(tlvs(TlvType.OBJECT_INSTANCE, instance, content))]
    if draw(st.booleans()):
        around.append(draw(tlvs(TlvType.OBJECT_INSTANCE, instance + 1, content[:0] + found)))
    return b"".join(draw(st.permutations(around)))


@given(READINGS, OTHERS, st.booleans(), st.data())
def test_a_resource_is_found_in_any_tlv_around_it(
    reading: tuple[Path, ResourceValue], others: list[tuple[int, object]], named: bool, data: st.DataObject
) -> None:
    path, value = reading
    payload = data.draw(tlv_answers(path, value, others))
    assert decode_content(Asked(path), TLV, payload) == {path_text(path): value}
    if not named and path[0] != 3:  # without a format a text is a text, if it can be one
        assert decode_content(Asked(path), None, payload) == {path_text(path): value}
    assert decode_content(Asked(path[:2]), TLV, payload)[path_text(path)] == value


def value_fields(draw: st.DrawFn, value: object, *, oma: bool, is_json: bool) -> dict[str, Any]:
    """The value by its own type or, of a number, as text; a version as a number where its digits are kept."""
    text, truth = ("sv", "bv") if oma else ("vs", "vb")
    if isinstance(value, bool):
        return draw(st.sampled_from([{truth: value}, {text: str(value).lower()}, {text: str(int(value))}]))
    if isinstance(value, int):
        return draw(st.sampled_from([{"v": value}, {text: str(value)}, {text: f" {value}\0"}]))
    if isinstance(value, str) and is_json and draw(st.booleans()):
        return {"v": Digits(value)} if _is_number(value) else {text: value}
    return {text: value}


class Digits(float):
    """A number that is written with exactly these digits."""

    def __new__(cls, text: str) -> Self:
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str

    def __repr__(self) -> str:
        return self.text


def _is_number(text: str) -> bool:
    return re.fullmatch(r"(0|[1-9][0-9]*)\.[0-9]+", text, re.ASCII) is not None


def dumps(tree: object) -> str:
    """Return JSON in which `Digits` keep theirs, unlike `json.dumps`."""
    if isinstance(tree, dict):
        return "{" + ",".join(f"{json.dumps(key)}: {dumps(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + " ,".join(map(dumps, tree)) + "]"
    return tree.text if isinstance(tree, Digits) else json.dumps(tree, ensure_ascii=False)


@st.composite
def packs(  # noqa: PLR0917 - all are parts of the answer
    draw: st.DrawFn, path: Path, value: ResourceValue, others: list[tuple[int, object]], root: str, content_format: int
) -> list[dict[str, Any]]:
    """Records of the resource and of others of its instance, in one of the ways in which names are written."""
    oma, is_json = content_format == OMA_JSON, content_format != SENML_CBOR
    instance = draw(st.sampled_from(["", root])) + path_text(path[:2])
    records = [
        {"n": str(other), **({} if held is None else value_fields(draw, held, oma=oma, is_json=is_json))}
        for other, held in others
        if other != path[2]
    ]
    records.insert(
        draw(st.integers(0, len(records))),
        {"n": str(path[2]), **value_fields(draw, value, oma=oma, is_json=is_json)},
    )
    style = draw(st.sampled_from(["absolute", "base", "base without slash", "relative", "no first slash"]))
    if style == "absolute":
        return [{**record, "n": f"{instance}/{record['n']}"} for record in records]
    if style == "no first slash":
        return [{**record, "n": f"{instance}/{record['n']}"[1:]} for record in records]
    if style == "relative":
        return records
    return [{"bn": instance + "/" * (style == "base"), **records[0]}, *records[1:]]


@st.composite
def json_bytes(draw: st.DrawFn, tree: object) -> bytes:
    """JSON as firmware writes it: with a byte order mark, blanks, a NUL and what lies behind it, in UTF-8 or GBK."""
    text = dumps(tree)
    if draw(st.booleans()):
        text = text.replace("\\t", "\t").replace("\\n", "\n").replace("\\u0001", "\x01")
    encoded = text.encode("gb18030" if draw(st.booleans()) else "utf-8", errors="replace")
    before, after = (
        st.sampled_from([b"", b"\xef\xbb\xbf", b" \r\n"]),
        st.sampled_from([b"", b"\r\n", b"\0", b"\0\0\xff{"]),
    )
    return draw(before) + encoded + draw(after)


@given(READINGS, OTHERS, st.sampled_from(["", "/lwm2m", "/a/b-1"]), st.data())
@example(((3, 0, 3), "1.10"), [], "", None)
def test_a_resource_is_found_in_any_list_of_records_around_it(
    reading: tuple[Path, ResourceValue], others: list[tuple[int, object]], root: str, data: st.DataObject | None
) -> None:
    path, value = reading
    if data is None:
        assert decode_content(Asked(path), SENML_JSON, b'[{"bn":"/3/0/3","v":1.10}]') == {"/3/0/3": "1.10"}
        return
    content_format = data.draw(st.sampled_from([SENML_JSON, SENML_CBOR, OMA_JSON]))
    records = data.draw(packs(path, value, others, root, content_format))
    if content_format == SENML_CBOR:
        payload = cbor2.dumps([{LABELS[key]: held for key, held in record.items()} for record in records])
    elif content_format == SENML_JSON:
        payload = data.draw(json_bytes(records))
    else:
        base = records[0].pop("bn", None)
        payload = data.draw(json_bytes({**({} if base is None else {"bn": base}), "e": records}))
    assert decode_content(Asked(path, root), content_format, payload) == {path_text(path): value}


@given(READINGS, st.sampled_from([None, 0, 1541]), st.data())
def test_a_value_is_found_in_any_text(
    reading: tuple[Path, ResourceValue], content_format: int | None, data: st.DataObject
) -> None:
    path, value = reading
    text = str(value).encode()
    blanks = st.just(b"") if isinstance(value, str) else st.sampled_from([b"", b" ", b"\r\n"])
    before, after = (
        data.draw(st.sampled_from([b"", b"\xef\xbb\xbf"])),
        data.draw(st.sampled_from([b"", b"\0", b"\0\xff"])),
    )
    payload = before + data.draw(blanks) + text + data.draw(blanks) + after
    assert decode_content(Asked(path), content_format, payload) == {path_text(path): value}


@given(
    st.sampled_from([(3,), (3, 0), (3, 0, 3), (4, 0), (5, 0, 3), (3, 0, 6), (3, 0, 6, 1), (19, 0, 0)]),
    st.sampled_from([None, 0, 42, 50, 60, SENML_JSON, SENML_CBOR, TLV, OMA_JSON]),
    READINGS,
    OTHERS,
    st.integers(0, 200),
    st.binary(max_size=4),
    st.data(),
)
def test_an_answer_with_faults_is_values_below_the_path_or_an_error(  # noqa: PLR0917 - all are parts of the answer
    path: Path,
    content_format: int | None,
    reading: tuple[Path, ResourceValue],
    others: list[tuple[int, object]],
    at: int,
    noise: bytes,
    data: st.DataObject,
) -> None:
    made = data.draw(
        st.one_of(
            tlv_answers(*reading, others),
            packs(*reading, others, "/r", SENML_JSON).flatmap(json_bytes),
            packs(*reading, others, "/r", SENML_CBOR).map(cbor2.dumps),
        )
    )
    payload = made[:at] + noise + made[at + len(noise) :]
    try:
        values = decode_content(Asked(path, "/r"), content_format, payload)
    except PayloadError:
        return
    assert to_json(values)
    assert all(f"{found}/".startswith(f"{path_text(path)}/") for found in values)
