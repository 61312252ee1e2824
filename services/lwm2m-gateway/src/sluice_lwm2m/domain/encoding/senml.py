"""SenML in CBOR and JSON (RFC 8428, OMA TS 1.1.1 §7.4.4) and the older LwM2M JSON (OMA TS 1.0.2 §6.4.4).

All three are lists of records with a name below a base name. Times, units, sums and links are left out: the platform
reads single current values (ADR 0019).
"""

from collections.abc import Iterator, Mapping

import msgspec

from sluice_common.messages.device_events import ResourceValue
from sluice_lwm2m.domain.encoding.cbor import decode_cbor
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import Path, parse_path
from sluice_lwm2m.domain.encoding.resources import from_tree, kind_of

_LABELS = {-2: "bn", 0: "n", 2: "v", 3: "vs", 4: "vb", 8: "vd"}
"""CBOR labels of SenML fields (RFC 8428 §6, Table 4)."""
_SENML_VALUES = ("v", "vs", "vb", "vd", "vlo")
_OMA_VALUES = ("v", "sv", "bv", "ov")
_MAX_RECORDS = 1_024

Record = Mapping[object, object]
Values = Iterator[tuple[Path, ResourceValue]]


def decode_senml_cbor(base: Path, payload: bytes) -> Values:
    """Yield path and value of each record of a SenML pack in CBOR.

    Raises:
        PayloadError: Malformed, or a record outside the requested path.
    """
    records: list[Record] = [
        {_LABELS.get(label, label) if isinstance(label, int) else label: value for label, value in record.items()}
        for record in _records(decode_cbor(payload))
    ]
    return _pack(base, records)


def decode_senml_json(base: Path, payload: bytes) -> Values:
    """Yield path and value of each record of a SenML pack in JSON.

    Raises:
        PayloadError: Malformed, or a record outside the requested path.
    """
    return _pack(base, _records(_json(payload)))


def decode_oma_json(base: Path, payload: bytes) -> Values:
    """Yield path and value of each entry of LwM2M JSON; without a base name it is the requested path.

    Raises:
        PayloadError: Malformed, or an entry outside the requested path.
    """
    tree = _json(payload)
    if not isinstance(tree, dict):
        raise PayloadError("LwM2M JSON is an object")
    default = "".join(f"/{number}" for number in base)
    prefix = _text(tree.get("bn", default))
    for entry in _records(tree.get("e")):
        name = _text(entry.get("n", ""))
        joint = "/" if name and not prefix.endswith("/") and not name.startswith("/") else ""
        yield _value(base, prefix + joint + name, entry, _OMA_VALUES)


def _pack(base: Path, records: list[Record]) -> Values:
    prefix = ""
    for record in records:
        prefix = _text(record.get("bn", prefix))
        name = _text(record.get("n", ""))
        if any(field in record for field in _SENML_VALUES):
            yield _value(base, prefix + name, record, _SENML_VALUES)


def _value(base: Path, name: str, record: Record, fields: tuple[str, ...]) -> tuple[Path, ResourceValue]:
    path = parse_path(name.removesuffix("/"))
    if path is None or path[: len(base)] != base:
        raise PayloadError("a name outside the requested path")
    found = [record[field] for field in fields if field in record]
    if len(found) != 1:
        raise PayloadError("a record without exactly one value")
    return path, from_tree(found[0], kind_of(path))


def _records(tree: object) -> list[Record]:
    if not isinstance(tree, list) or len(tree) > _MAX_RECORDS or not all(isinstance(r, dict) for r in tree):
        raise PayloadError("not a list of records, or too many")
    return tree


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PayloadError("a name that is no text")
    return value


def _json(payload: bytes) -> object:
    try:
        tree: object = msgspec.json.decode(payload)
    except (ValueError, RecursionError) as error:  # msgspec.DecodeError is a ValueError
        raise PayloadError("malformed JSON") from error
    return tree
