"""SenML in CBOR and JSON (RFC 8428, OMA TS 1.1.1 §7.4.4) and the older LwM2M JSON (OMA TS 1.0.2 §6.4.4).

All three are lists of records with a name below a base name. Times, units, sums and links are left out: the platform
reads single current values (ADR 0019). Of a record whose name says nothing that was asked for, nothing is taken.
"""

import json
from collections.abc import Iterator, Mapping

from sluice_lwm2m.domain.encoding.cbor import decode_cbor
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import RESOURCE_DEPTH, Asked, Path, parse_path, path_text
from sluice_lwm2m.domain.encoding.resources import BYTE_ORDER_MARK, Number, is_single

_LABELS = {-2: "bn", 0: "n", 2: "v", 3: "vs", 4: "vb", 8: "vd"}
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
    """Yield the values; None where a record has not exactly one, the empty path for what was not asked for."""
    prefix = ""
    if isinstance(tree, dict):
        prefix, tree = _text(tree.get("bn", "")), tree.get("e")
    elif not isinstance(tree, list):
        tree = [{"v": tree}]
    for record in map(_with_names, _records(tree)):
        prefix = _text(record.get("bn", prefix))
        found = [record[field] for field in _VALUES if field in record]
        if found or "n" in record:
            yield _path(asked, prefix, _text(record.get("n", ""))), found[0] if len(found) == 1 else None


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
