"""How a bulk upload of devices is read line by line (NDJSON or CSV).

Pure: bytes in, devices or errors out. Whether products and groups exist is the caller's question.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from sluice_api.entrypoints.rest.schemas.devices import DeviceIn

LINE_LIMIT = 16_384
"""Bytes of one line."""
_SEPARATOR = ";"
_COLUMNS = ("endpoint", "product_id", "name", "tags", "group_ids", "mqtt_secret", "psk")
_OPTIONAL = {"mqtt_secret", "psk"}
_REQUIRED = {"endpoint", "product_id"}
_LISTS = {"tags", "group_ids"}
_DEVICE = TypeAdapter(DeviceIn)


class BadLineError(ValueError):
    """A line that is no device; the text says why."""


class BadHeaderError(ValueError):
    """The first line of a CSV names no usable columns."""


@dataclass
class Lines:
    """Cuts a stream into lines; what is longer than `LINE_LIMIT` comes out as None."""

    _rest: bytes = b""
    _too_long: bool = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Yield the lines that are complete with this data, without their ends."""
        *complete, rest = (self._rest + data).split(b"\n")
        for line in complete:
            yield None if self._too_long or len(line) > LINE_LIMIT else line.rstrip(b"\r")
            self._too_long = False
        self._too_long = self._too_long or len(rest) > LINE_LIMIT
        self._rest = b"" if self._too_long else rest

    def end(self) -> Iterator[bytes | None]:
        """Yield the last line if it has no end."""
        if self._too_long or self._rest:
            yield None if self._too_long else self._rest


def parse_json_line(line: bytes) -> DeviceIn:
    """Return the device of an NDJSON line.

    Raises:
        BadLineError: No JSON object, or a wrong field.
    """
    try:
        return _DEVICE.validate_json(line)
    except ValidationError as error:
        raise BadLineError(_first(error)) from error


@dataclass
class CsvReader:
    """Reads CSV lines (RFC 4180, no line breaks inside fields) under a header; lists are separated by `;`."""

    columns: list[str] = field(default_factory=list)

    def header(self, line: bytes) -> None:
        """Take the header.

        Raises:
            BadHeaderError: Unknown, repeated or missing columns.
        """
        try:
            columns = [c.strip() for c in self._fields(line.removeprefix(b"\xef\xbb\xbf"))]
        except BadLineError as error:
            raise BadHeaderError(str(error)) from error
        if len(set(columns)) != len(columns) or not _REQUIRED <= set(columns) <= set(_COLUMNS):
            raise BadHeaderError(f"the header must name endpoint and product_id, and nothing but {', '.join(_COLUMNS)}")
        self.columns = columns

    def parse(self, line: bytes) -> DeviceIn:
        """Return the device of a line.

        Raises:
            BadLineError: Not as many fields as columns, or a wrong field.
        """
        fields = self._fields(line)
        if len(fields) != len(self.columns):
            raise BadLineError(f"{len(fields)} fields instead of {len(self.columns)}")
        values = {
            name: [v.strip() for v in value.split(_SEPARATOR) if v.strip()] if name in _LISTS else value
            for name, value in zip(self.columns, fields, strict=True)
            if value or name not in _OPTIONAL
        }
        try:
            return _DEVICE.validate_python(values)
        except ValidationError as error:
            raise BadLineError(_first(error)) from error

    @staticmethod
    def _fields(line: bytes) -> list[str]:
        try:
            return next(csv.reader([line.decode()], strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise BadLineError(f"not CSV: {error}") from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
