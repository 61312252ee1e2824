import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_api.entrypoints.rest.uploads.multipart import FIELD_LIMIT, FIELDS_LIMIT, BadMultipartError, FormReader

KIND = 'multipart/form-data; boundary="x-y"'


def part(name: str, content: bytes, more: str = "") -> bytes:
    return f'--x-y\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--x-y--\r\n"


def file(content: bytes) -> bytes:
    return part("file", content, '; filename="p.zip"')


def read(data: bytes, step: int = 10**9) -> tuple[FormReader, bytes]:
    reader = FormReader(KIND)
    pieces = [piece for i in range(0, len(data), step) for piece in reader.feed(data[i : i + step])]
    reader.end()
    return reader, b"".join(pieces)


@given(st.binary(max_size=500), st.text(alphabet="aé", max_size=20), st.integers(1, 70))
def test_a_form_does_not_depend_on_how_its_bytes_arrive(content: bytes, value: str, step: int) -> None:
    reader, received = read(body(part("version", value.encode()), file(content), part("b", b"2")), step)
    assert received == content
    assert reader.fields == [("version", value), ("b", "2")]
    assert reader.file_name == "p.zip"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_malformed(data: bytes) -> None:
    with pytest.raises(BadMultipartError):
        read(data)


@given(st.integers(0, 200))
def test_a_form_that_breaks_off_is_malformed(end: int) -> None:
    whole = body(file(b"content"), part("a", b"1"))
    with pytest.raises(BadMultipartError):
        read(whole[: min(end, len(whole) - 5)])


@pytest.mark.parametrize(
    "data",
    [
        body(part("a", b"x" * (FIELD_LIMIT + 1))),
        body(*[part("a", b"")] * (FIELDS_LIMIT + 1)),
        body(file(b"1"), file(b"2")),
        body(part("image", b"1", '; filename="x"')),
        body(part("a", b"\xff")),
    ],
)
def test_a_form_has_limited_fields(data: bytes) -> None:
    with pytest.raises(BadMultipartError):
        read(data)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 999]
)
def test_another_content_type_is_malformed(kind: str) -> None:
    with pytest.raises(BadMultipartError):
        FormReader(kind)
