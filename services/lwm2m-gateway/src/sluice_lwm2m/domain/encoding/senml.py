"""SenML in CBOR and JSON (RFC 8428, OMA TS 1.1.1 §7.4.4) and the older LwM2M JSON (OMA TS 1.0.2 §6.4.4).

All three are lists of records with a name below a base name. Units, sums and links are left out: the platform reads
single current values (ADR 0019), which are the newest if there are several. Of a record whose name says nothing that
was asked for, nothing is taken.
"""

import json
import math
from collections.abc import Iterator, Mapping
from operator import itemgetter

from sluice_lwm2m.domain.encoding.cbor import decode_cbor
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import RESOURCE_DEPTH, Asked, Path, parse_path, path_text
from sluice_lwm2m.domain.encoding.resources import is_single
from sluice_lwm2m.domain.encoding.values import BYTE_ORDER_MARK, Number

_LABELS = {-3: "bt", -2: "bn", 0: "n", 2: "v", 3: "vs", 4: "vb", 6: "t", 8: "vd"}
"""CBOR labels of SenML fields (RFC 8428 §6, Table 4)."""
_VALUES = ("v", "vs", "vb", "vd", "vlo", "sv", "bv", "ov")
"""Fields of values, those of LwM2M JSON last."""
_MAX_RECORDS = 1_024
_BLANK = b" \t\r\n\0"


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


_JSON = json.JSONDecoder(strict=False, parse_int=Number, parse_float=Number, parse_constant=_no_number)
"""Numbers keep their digits, texts may hold raw control characters."""

Record = Mapping[object, object]
Values = Iterator[tuple[Path, object]]


def decode_senml_cbor(asked: Asked, payload: bytes) -> Values:
    """Yield path and value of each record of a SenML pack in CBOR, or the one value that the CBOR is.

    Raises:
        PayloadError: Malformed.
    """
    return _values(asked, decode_cbor(payload))


def decode_json(asked: Asked, payload: bytes) -> Values:
    """Yield path and value of each record of a SenML pack in JSON or of LwM2M JSON, or the one value that the JSON is.

    Raises:
        PayloadError: Malformed.
    """
    return _values(asked, _tree(payload))


def _values(asked: Asked, tree: object) -> Values:
    """Yield the values in the order of their times (RFC 8428 §4.5.3, OMA TS 1.0.2 §6.4.4).

    None where a record has not exactly one, the empty path for what was not asked for.
    """
    base: Record = {}
    if isinstance(tree, dict):
        base, tree = tree, tree.get("e")
    elif not isinstance(tree, list):
        tree = [{"v": tree}]
    prefix, base_time = _text(base.get("bn", "")), _time(base.get("bt"))
    found: list[tuple[float, Path, object]] = []
    for record in map(_with_names, _records(tree)):
        prefix = _text(record.get("bn", prefix))
        base_time = _time(record["bt"]) if "bt" in record else base_time
        values = [record[field] for field in _VALUES if field in record]
        if values or "n" in record:
            path = _path(asked, prefix, _text(record.get("n", "")))
            found.append((base_time + _time(record.get("t")), path, values[0] if len(values) == 1 else None))
    yield from ((path, value) for _, path, value in sorted(found, key=itemgetter(0)))


def _time(value: object) -> float:
    """Return a time, 0 for what is none: only the order counts."""
    number = value.text if isinstance(value, Number) else value
    if not isinstance(number, str | int | float):
        return 0.0
    try:
        time = float(number)
    except (ValueError, OverflowError):
        return 0.0
    return time if math.isfinite(time) else 0.0


def _with_names(record: Record) -> Record:
    return {_LABELS.get(label, label) if isinstance(label, int) else label: value for label, value in record.items()}


def _path(asked: Asked, prefix: str, name: str) -> Path:
    """Return the path of a record if it is, or is below, what was asked for; else the empty one.

    Names are joined as they are (RFC 8428 §4.5.1); else with the slash that the base name lacks; else taken as relative
    to what was asked for or, of a resource, to its object instance.
    """
    whole = prefix + name
    if not whole:
        return asked.path if len(asked.path) >= RESOURCE_DEPTH else ()
    candidates = [whole, f"{prefix}/{name}"]
    if not whole.startswith("/"):
        if not is_single(asked.path):
            candidates.append(f"{path_text(asked.path)}/{whole}")
        if len(asked.path) == RESOURCE_DEPTH:
            candidates.append(f"{path_text(asked.path[:-1])}/{whole}")
    paths = (parse_path(_without_root(asked.root, text)) for text in candidates)
    return next((path for path in paths if path and len(path) >= RESOURCE_DEPTH and is_below(path, asked.path)), ())


def is_below(path: Path, base: Path) -> bool:
    """Return whether a path is another or is below it."""
    return path[: len(base)] == base


def _without_root(root: str, name: str) -> str:
    absolute = "/" + name.strip("/")
    return absolute.removeprefix(root) if absolute.startswith(f"{root}/") else absolute


def _records(tree: object) -> list[Record]:
    if not isinstance(tree, list) or len(tree) > _MAX_RECORDS or not all(isinstance(r, dict) for r in tree):
        raise PayloadError("not a list of records, or too many")
    return tree


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PayloadError("a name that is no text")
    return value


def _tree(payload: bytes) -> object:
    """Return what the JSON says, in UTF-8 or GBK: after a byte order mark, up to the NUL that ends a string in C."""
    raw = payload.removeprefix(BYTE_ORDER_MARK).lstrip(_BLANK).partition(b"\0")[0]
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("gb18030", errors="replace")
    try:
        tree, end = _JSON.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise PayloadError("malformed JSON") from error
    if not text[end:].isspace() and end < len(text):
        raise PayloadError("more behind the JSON")
    return tree
