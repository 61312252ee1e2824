"""Payloads by content format: what a device answered becomes values by path.

An answer may hold more than was asked for: that is passed over, and so is a value that is not understood beside others.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from sluice_common.messages.device_events import ResourceValue
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import RESOURCE_DEPTH, Asked, Path, path_text
from sluice_lwm2m.domain.encoding.resources import Kind, is_single, kind_of
from sluice_lwm2m.domain.encoding.senml import decode_json, decode_senml_cbor, is_below
from sluice_lwm2m.domain.encoding.tlv import decode_tlv
from sluice_lwm2m.domain.encoding.values import from_bytes, from_text, from_tree, from_utf8

TEXT = 0
LINK_FORMAT = 40
OCTET_STREAM = 42
TLV = 11542
MAX_PAYLOAD_BYTES = 16_384
"""Longest payload that is decoded."""
_MAX_VALUES = 1_024

Values = dict[str, ResourceValue]


class _Format(NamedTuple):
    """How values are found in a payload, and what becomes of one of them."""

    find: Callable[[Asked, bytes], Iterator[tuple[Path, object]]]
    convert: Callable[..., ResourceValue]


def _single(asked: Asked, payload: bytes) -> Iterator[tuple[Path, bytes]]:
    if len(asked.path) < RESOURCE_DEPTH:
        raise PayloadError("a single value for more than one resource")
    yield asked.path, payload


def _text(raw: bytes, kind: Kind | None) -> ResourceValue:
    return from_text(from_utf8(raw), kind)


def _opaque(raw: bytes, kind: Kind | None) -> ResourceValue:
    """Return bytes as they are, but of a resource that is none as the text that they most likely are."""
    if kind in {None, Kind.OPAQUE}:
        return from_bytes(raw, None)
    try:
        return _text(raw, kind)
    except PayloadError:
        return from_bytes(raw, kind)


_PLAIN = _Format(_single, _text)
_BINARY = _Format(_single, _opaque)
_TLV = _Format(decode_tlv, from_bytes)
_JSON = _Format(decode_json, from_tree)
_CBOR = _Format(decode_senml_cbor, from_tree)
_FORMATS: dict[int, _Format] = {
    TEXT: _PLAIN,
    OCTET_STREAM: _BINARY,
    50: _JSON,
    60: _CBOR,
    110: _JSON,
    112: _CBOR,
    TLV: _TLV,
    11543: _JSON,
    # Numbers that clients used before IANA assigned those of LwM2M 1.0
    1541: _PLAIN,
    1542: _TLV,
    1543: _JSON,
    1544: _BINARY,
}


def decode_content(asked: Asked, content_format: int | None, payload: bytes) -> Values:
    """Return resource path → value, of what was asked for; without a content format, of text (OMA TS 1.0.2 §6.4.1).

    Some clients leave the content format out although they send TLV: the other is tried where one does not fit.

    Raises:
        PayloadError: Unknown format, malformed, too long, or without what was asked for.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError("a payload that is too long")
    if content_format is None:
        is_text = b"\0" not in payload.rstrip(b"\0")
        return _decode_either((_PLAIN, _TLV) if is_text else (_TLV, _PLAIN), asked, payload)
    form = _FORMATS.get(content_format)
    if form is None:
        raise PayloadError(f"unknown content format {content_format}")
    return _decode(form, asked, payload)


def _decode_either(forms: tuple[_Format, _Format], asked: Asked, payload: bytes) -> Values:
    likely, other = forms
    try:
        return _decode(likely, asked, payload)
    except PayloadError as failure:
        try:
            return _decode(other, asked, payload)
        except PayloadError:
            raise failure from None


def _decode(form: _Format, asked: Asked, payload: bytes) -> Values:
    values: dict[Path, ResourceValue] = {}
    instances: dict[Path, ResourceValue] = {}  # of resources that have one value, whatever the device says
    failure: PayloadError | None = None
    for number, (path, raw) in enumerate(form.find(asked, payload)):
        if number == _MAX_VALUES:
            raise PayloadError("too many values")
        if not is_below(path, asked.path):
            failure = failure or PayloadError("what was asked for is not in the answer")
            continue
        try:
            value = form.convert(raw, kind_of(path))
        except PayloadError as error:
            failure = error
            continue
        is_instance = len(path) > RESOURCE_DEPTH >= len(asked.path) and is_single(path)
        if is_instance:
            instances.setdefault(path[:RESOURCE_DEPTH], value)
        else:
            values[path] = value  # of several the last, which is the newest
    found = instances | values
    if not found and (failure is not None or len(asked.path) >= RESOURCE_DEPTH):
        raise failure or PayloadError("what was asked for is not in the answer")
    return {path_text(path): value for path, value in found.items()}
