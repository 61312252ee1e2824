"""Payloads by content format: what a device answered becomes values by path."""

from collections.abc import Callable, Iterator

from sluice_common.messages.device_events import ResourceValue
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import RESOURCE_DEPTH, Path, path_text
from sluice_lwm2m.domain.encoding.resources import from_bytes, from_text, from_utf8, kind_of
from sluice_lwm2m.domain.encoding.senml import decode_oma_json, decode_senml_cbor, decode_senml_json
from sluice_lwm2m.domain.encoding.tlv import decode_tlv

TEXT = 0
LINK_FORMAT = 40
OCTET_STREAM = 42
MAX_PAYLOAD_BYTES = 16_384
"""Longest payload that is decoded."""
_MAX_VALUES = 1_024

Decoder = Callable[[Path, bytes], Iterator[tuple[Path, ResourceValue]]]


def _decode_text(path: Path, payload: bytes) -> Iterator[tuple[Path, ResourceValue]]:
    _demand_resource(path)
    yield path, from_text(from_utf8(payload), kind_of(path))


def _decode_opaque(path: Path, payload: bytes) -> Iterator[tuple[Path, ResourceValue]]:
    _demand_resource(path)
    yield path, from_bytes(payload, None)


def _demand_resource(path: Path) -> None:
    if len(path) < RESOURCE_DEPTH:
        raise PayloadError("a single value for more than one resource")


_DECODERS: dict[int, Decoder] = {
    TEXT: _decode_text,
    OCTET_STREAM: _decode_opaque,
    110: decode_senml_json,
    112: decode_senml_cbor,
    11542: decode_tlv,
    11543: decode_oma_json,
    # Numbers that clients used before IANA assigned those of LwM2M 1.0
    1541: _decode_text,
    1542: decode_tlv,
    1543: decode_oma_json,
    1544: _decode_opaque,
}


def decode_content(path: Path, content_format: int | None, payload: bytes) -> dict[str, ResourceValue]:
    """Return resource path → value; a payload without content format is text (OMA TS 1.0.2 §6.4.1).

    Raises:
        PayloadError: Unknown format, malformed, too long, or outside the requested path.
    """
    decoder = _DECODERS.get(TEXT if content_format is None else content_format)
    if decoder is None:
        raise PayloadError(f"unknown content format {content_format}")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError("a payload that is too long")
    values = {path_text(found): value for found, value in decoder(path, payload)}
    if len(values) > _MAX_VALUES:
        raise PayloadError("too many values")
    return values
