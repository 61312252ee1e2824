"""JSON as devices write it (`docs/mqtt.md`, "What is tolerated"): untrusted bytes to plain values.

Firmware in C sends its strings with the NUL that ends them, its messages in the encoding of its source files, error
texts as they are, and of what is too long for its buffer the beginning. What is meant is clear all the same, and what
is refused here is a device that cannot be upgraded. Numbers become texts, digit by digit: a version 1.10 is not 1.1
(RFC 8259 §6 leaves to the receiver what a number is), and whoever wants a number reads it from the text. Leaves out
what the values mean.
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
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+\\?(?:"|\Z)|[][{}]', re.DOTALL)
"""A text, also one that does not end: what fails to match would be looked at again from each of its quotes."""
_CLOSING = {"{": "}", "[": "]"}


class NotJsonError(ValueError):
    """The bytes are no JSON, however they are read; the text says why."""


def decode(payload: bytes) -> Any:
    """Return the value that a payload begins with; numbers are texts, what is no number (`NaN`) is None.

    A byte order mark before it is passed over (RFC 8259 §8.1), and so is what a NUL behind it keeps from being read in
    C. Raw control characters in texts are taken, GBK is (as GB18030), and a `description` that breaks the JSON around
    it, by quotes or backslashes of its own, is dropped. Of an object that was cut off, what is complete counts.

    Args:
        payload: Of a size that the caller has bounded.

    Raises:
        NotJsonError: It is no JSON, or nested too deeply.
    """
    if payload.startswith(b'{"'):  # UTF-8 without a mark, and nearly always nothing to be mended
        with suppress(ValueError, RecursionError):
            return _first_value(payload.decode())
    failure = ""
    for text in _readings(payload):
        try:
            return _first_value(text.lstrip(_BLANK))
        except RecursionError as error:
            raise NotJsonError("nested too deeply") from error
        except ValueError as error:
            failure = failure or str(error)
    raise NotJsonError(failure)


def _readings(payload: bytes) -> Iterator[str]:
    """Yield what the bytes may say, the likeliest first: in each encoding as it is, then with its damage mended."""
    yield from _decodings(payload)
    for mend in (_without_description, _closed):
        yield from filter(None, map(mend, _decodings(payload)))


def _decodings(payload: bytes) -> Iterator[str]:
    try:
        yield payload.decode(json.detect_encoding(payload))
    except UnicodeDecodeError:
        # Before any repair of UTF-8: a byte of GBK may be a backslash, which would hide the quote behind it.
        bare = payload.removeprefix(_BYTE_ORDER_MARK)
        with suppress(UnicodeDecodeError):
            yield bare.decode("gb18030")
        yield bare.decode(errors="replace")


def _without_description(text: str) -> str | None:
    begin = text.find(_DESCRIPTION)
    found = _BROKEN_TEXT.match(text, begin) if begin >= 0 else None
    return text[: found.start(1)] + text[found.end(1) :] if found else None


def _closed(text: str) -> str | None:
    """Return an object that was cut off without its last, incomplete member, and closed; None for anything else.

    A description is cut off together with what follows: it holds any commas.
    """
    end = text.find(_DESCRIPTION)
    whole, _, _ = text[: None if end < 0 else end].rpartition(",")
    still_open: list[str] = []
    for found in _TOKEN.findall(whole):
        if found in _CLOSING:
            still_open.append(_CLOSING[found])
        elif found in "]}" and (not still_open or still_open.pop() != found):
            return None
    return whole + "".join(reversed(still_open)) if still_open else None


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
