"""multipart/form-data as it arrives (RFC 7578): small fields are kept, the file comes out piece by piece.

Pure: bytes in, parts out; nothing is spooled. Leaves out what the fields mean.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

FIELD_LIMIT = 4096
"""Bytes of one field's value."""
FIELDS_LIMIT = 256
"""Fields of one form."""
FILE_FIELD = "file"


class BadMultipartError(ValueError):
    """Not multipart/form-data as this API takes it; the text says why."""


@dataclass
class FormReader:
    """Takes a body apart.

    Attributes:
        fields: Complete fields in order, name and value.
        file_name: Name of the file, once its part has begun.
    """

    content_type: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    file_name: str | None = None
    _pieces: list[bytes] = field(default_factory=list)
    _header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _disposition: bytes = b""
    _name: str = ""
    _value: bytearray | None = None
    _ended: bool = False

    def __post_init__(self) -> None:
        kind, options = parse_options_header(self.content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise BadMultipartError("the body must be multipart/form-data with a boundary")
        callbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError as error:
            raise BadMultipartError(str(error)) from error

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the pieces of the file that this data holds.

        Raises:
            BadMultipartError: Malformed, a field too large or too many, or a second file.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BadMultipartError(str(error)) from error
        pieces, self._pieces = self._pieces, []
        yield from pieces

    def end(self) -> None:
        """Check that the body was complete.

        Raises:
            BadMultipartError: It broke off.
        """
        if not self._ended:
            raise BadMultipartError("the body breaks off before its last boundary")

    def _on_part_begin(self) -> None:
        self._disposition, self._value = b"", None

    def _on_header_end(self) -> None:
        name, value = self._header
        if bytes(name).lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode(errors="replace")
        if b"filename" in options:
            if self.file_name is not None or self._name != FILE_FIELD:
                raise BadMultipartError(f"one file, in the field {FILE_FIELD!r}")
            self.file_name = options[b"filename"].decode(errors="replace")
        elif len(self.fields) >= FIELDS_LIMIT:
            raise BadMultipartError(f"more than {FIELDS_LIMIT} fields")
        else:
            self._value = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._value is None:
            self._pieces.append(data[start:end])
        elif len(self._value) + end - start > FIELD_LIMIT:
            raise BadMultipartError(f"the field {self._name[:64]!r} exceeds {FIELD_LIMIT} bytes")
        else:
            self._value += data[start:end]

    def _on_part_end(self) -> None:
        if self._value is None:
            return
        try:
            self.fields.append((self._name, self._value.decode()))
        except UnicodeDecodeError as error:
            raise BadMultipartError(f"the field {self._name[:64]!r} is not UTF-8") from error

    def _on_end(self) -> None:
        self._ended = True
