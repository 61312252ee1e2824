"""JSON as devices write it (`docs/mqtt.md`, "What is tolerated"): untrusted bytes to plain values.

Firmware in C sends its strings with the NUL that ends them, its messages in the encoding of its source files, and error
texts as they are. What is meant is clear all the same, and what is refused here is a device that cannot be upgraded.
Numbers become texts, digit by digit: a version 1.10 is not 1.1 (RFC 8259 §6 leaves to the receiver what a number is),
and whoever wants a number reads it from the text. Leaves out what the values mean.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = " \t\r\n\0"
_DECODER = json.JSONDecoder(strict=False, parse_int=str, parse_float=str, parse_constant=lambda _: None)
_DESCRIPTION = '"description"'
_BROKEN_TEXT = re.compile(r'"description"\s*:\s*"(.*?)"(?=\s*(?:\}|,\s*"\w+"\s*:))', re.DOTALL)


class NotJsonError(ValueError):
    """The bytes are no JSON, however they are read; the text says why."""


def decode(payload: bytes) -> Any:
    """Return the value that a payload begins with; numbers are texts, what is no number (`NaN`) is None.

    A byte order mark before it is passed over (RFC 8259 §8.1), and so is what a NUL behind it keeps from being read in
    C. Raw control characters in texts are taken, GBK is (as GB18030), and a `description` that breaks the JSON around
    it, by quotes or backslashes of its own, is dropped.

    Args:
        payload: Of a size that the caller has bounded.

    Raises:
        NotJsonError: It is no JSON, or nested too deeply.
    """
    failure = ""
    for text in _readings(payload.removeprefix(_BYTE_ORDER_MARK)):
        try:
            return _first_value(text.lstrip(_BLANK))
        except RecursionError as error:
            raise NotJsonError("nested too deeply") from error
        except ValueError as error:
            failure = failure or str(error)
    raise NotJsonError(failure)


def _readings(payload: bytes) -> Iterator[str]:
    """Yield what the bytes may say, the likeliest first: in each encoding as it is, then without its description."""
    yield from _decodings(payload)
    yield from filter(None, map(_without_description, _decodings(payload)))


def _decodings(payload: bytes) -> Iterator[str]:
    try:
        yield payload.decode()
    except UnicodeDecodeError:
        # Before any repair of UTF-8: a byte of GBK may be a backslash, which would hide the quote behind it.
        with suppress(UnicodeDecodeError):
            yield payload.decode("gb18030")
        yield payload.decode(errors="replace")


def _without_description(text: str) -> str | None:
    begin = text.find(_DESCRIPTION)
    found = _BROKEN_TEXT.match(text, begin) if begin >= 0 else None
    return text[: found.start(1)] + text[found.end(1) :] if found else None


def _first_value(text: str) -> Any:
    """Return the value at the begin of a text.

    Raises:
        ValueError: There is none, or more than blanks and NUL follows.
    """
    value, end = _DECODER.raw_decode(text)
    rest = text[end:].lstrip(" \t\r\n")
    if rest and not rest.startswith("\0"):
        raise ValueError(f"more behind the value, at character {end}")
    return value
