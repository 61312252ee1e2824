import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_api.entrypoints.rest.uploads.device_lines import (
    LINE_LIMIT,
    BadHeaderError,
    BadLineError,
    CsvReader,
    Lines,
    parse_json_line,
)


def cut(pieces: list[bytes]) -> list[bytes | None]:
    lines = Lines()
    return [line for piece in pieces for line in lines.feed(piece)] + list(lines.end())


@given(st.lists(st.binary(max_size=40)))
def test_lines_do_not_depend_on_how_the_stream_is_cut(pieces: list[bytes]) -> None:
    assert cut(pieces) == cut([b"".join(pieces)])


@given(st.lists(st.text(alphabet="abc é;,", max_size=20)))
def test_every_line_comes_out_once(texts: list[str]) -> None:
    lines = [text.encode() for text in texts]
    assert cut([line + b"\n" for line in lines]) == lines


def test_a_line_that_is_too_long_does_not_lie_in_memory_and_spoils_no_other() -> None:
    lines = Lines()
    assert list(lines.feed(b"a\n" + b"x" * LINE_LIMIT)) == [b"a"]
    for _ in range(100):
        assert list(lines.feed(b"x" * LINE_LIMIT)) == []
        assert len(lines._rest) == 0
    assert list(lines.feed(b"x\nb\n")) == [None, b"b"]
    assert list(lines.end()) == []


def test_a_last_line_needs_no_end() -> None:
    assert cut([b"a\r\nb"]) == [b"a", b"b"]
    assert cut([b"x" * (LINE_LIMIT + 1)]) == [None]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_device_or_a_bad_line(line: bytes) -> None:
    with pytest.raises(BadLineError):
        parse_json_line(line)


@pytest.mark.parametrize(
    "line", [b"[]", b"{}", b'{"endpoint":"e"}', b'{"endpoint":"e","product_id":"p","x":1}', b"\xff"]
)
def test_a_bad_line_says_what_is_wrong(line: bytes) -> None:
    with pytest.raises(BadLineError) as error:
        parse_json_line(line)
    assert str(error.value)


DEVICES = st.fixed_dictionaries(
    {
        "endpoint": st.text(alphabet="abcé:-_ ,\"'", min_size=1, max_size=20),
        "product_id": st.text(alphabet="0123456789abcdef", min_size=1, max_size=24),
        "name": st.text(alphabet='xyz ,"', max_size=10),
        "tags": st.lists(st.text(alphabet="abc", min_size=1, max_size=5), max_size=3),
    }
)


@given(DEVICES)
def test_json_and_csv_say_the_same(device: dict[str, str | list[str]]) -> None:
    def quoted(value: str | list[str]) -> str:
        text = ";".join(value) if isinstance(value, list) else value
        return '"' + text.replace('"', '""') + '"'

    reader = CsvReader()
    reader.header(",".join(device).encode())
    by_csv = reader.parse(",".join(map(quoted, device.values())).encode())
    assert by_csv == parse_json_line(json.dumps(device).encode())


@given(st.binary(max_size=100))
def test_any_bytes_are_a_csv_line_or_a_bad_one(line: bytes) -> None:
    reader = CsvReader(["endpoint", "product_id"])
    try:
        device = reader.parse(line)
    except BadLineError:
        return
    assert device.endpoint


@pytest.mark.parametrize("header", [b"", b"endpoint", b"product_id,name", b"endpoint,product_id,x", b"\xff", b'"'])
def test_a_header_must_name_what_a_device_needs(header: bytes) -> None:
    with pytest.raises(BadHeaderError):
        CsvReader().header(header)


def test_lines_of_a_bulk_upload_may_hold_secrets() -> None:
    assert parse_json_line(b'{"endpoint":"e","product_id":"p","mqtt_secret":"12345678"}').mqtt_secret == "12345678"
    reader = CsvReader()
    reader.header(b"endpoint,product_id,mqtt_secret,psk")
    assert reader.parse(b"e,p,12345678,").mqtt_secret == "12345678"
    assert reader.parse(b"e,p,,").mqtt_secret is None
    with pytest.raises(BadLineError, match="mqtt_secret"):
        reader.parse(b"e,p,short,")
