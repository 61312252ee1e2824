"""The object list of a registration: CoRE Link Format (RFC 6690 §2, OMA TS 1.0.2 §5.3.1, ADR 0019).

Attributes are passed over, however they are written: people see the list, and a refusal shuts a client out for good.
Only the alternate path is acted upon: the link with the resource type `oma.lwm2m` (TS 1.1.1 Transport §6.4.1).
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import msgspec

from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import parse_path

MAX_LINKS = 1_024
MAX_ROOT = 255
"""Characters of the longest alternate path; a Uri-Path option holds as many bytes (RFC 7252 §5.10)."""
_LISTS_KEPT = 128
"""Devices of one kind list the same: each list is read once, and they share what was read."""
_MAX_INSTANCE_DEPTH = 2
_ROOT_TYPE = "oma.lwm2m"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.?)*+(?:"|$)', re.DOTALL)
_ELEMENT = re.compile(r"\s*(?:<([^<>]*)>\s*((?:;(?:[^,]|,(?!\s*(?:[<,]|$)))*)?))?(?:,|$)")
"""A link, or nothing, up to the comma behind it. A comma before anything but a link belongs to the attribute."""
_RESOURCE_TYPE = re.compile(r";\s*rt\s*=", re.IGNORECASE)
_VALUE = re.compile(r'\s*("[^"]*|[^;]*)')
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class ObjectList(msgspec.Struct, frozen=True):
    """What a client lists.

    Attributes:
        root: Alternate path of its objects, as it is written, for example `/lwm2m`; empty for the top, None if no link
            says.
        targets: The paths of all links.
    """

    root: str | None = None
    targets: tuple[str, ...] = ()

    def root_after(self, before: str) -> str:
        """Return the alternate path that holds when a client lists this.

        Args:
            before: What held before; it still does unless the list says otherwise or can only mean the top.
        """
        if self.root is not None:
            return self.root
        return before if _below(self.targets, before) or not _below(self.targets, "") else ""

    def objects(self, root: str) -> tuple[str, ...]:
        """Return objects and object instances, for example `/3/0`, without the alternate path."""
        return _below(self.targets, root) or _below(self.targets, "")


@lru_cache(maxsize=_LISTS_KEPT)
def parse_object_list(text: str) -> ObjectList:
    """Return what a client lists.

    Raises:
        PayloadError: No link format, more than `MAX_LINKS` links, or an alternate path that no request can have.
    """
    root: str | None = None
    targets: list[str] = []
    for target, is_root in _links(text):
        path = target if target.startswith("/") or _SCHEME.match(target) else f"/{target}"
        if is_root and root is None and parse_path(path) is None:  # a numeric path is an object, whatever it says
            root = _checked_root(path.rstrip("/"))
        targets.append(path)
    return ObjectList(root, tuple(targets))


@lru_cache(maxsize=_LISTS_KEPT)
def _below(targets: tuple[str, ...], root: str) -> tuple[str, ...]:
    paths = (target[len(root) :].rstrip("/") for target in targets if target.startswith(f"{root}/"))
    return tuple(path for path in paths if len(parse_path(path) or ()) in range(1, _MAX_INSTANCE_DEPTH + 1))


def segments_of(root: str) -> tuple[bytes, ...]:
    """Return the path segments of an alternate path, percent-decoded as Uri-Path options hold them (RFC 7252 §6.4)."""
    return tuple(unquote_to_bytes(segment) for segment in root.split("/") if segment)


def _checked_root(root: str) -> str:
    if len(root) > MAX_ROOT or not {b".", b".."}.isdisjoint(segments_of(root)) or _SCHEME.match(root):
        raise PayloadError("an alternate path that no request can have")
    return root


def _links(text: str) -> list[tuple[str, bool]]:
    """Return the target of each link, and whether it is the alternate path."""
    masked = _QUOTED.sub(_mask, text)
    links: list[tuple[str, bool]] = []
    at = 0
    while at < len(text):
        found = _ELEMENT.match(masked, at)
        if found is None or len(links) == MAX_LINKS:
            raise PayloadError("malformed link format, or too many links")
        if found[1] is not None:
            begin, end = found.span(2)
            links.append((found[1], _is_root(masked[begin:end], text[begin:end])))
        at = found.end()
    return links


def _mask(quoted: re.Match[str]) -> str:
    """Hide what a quoted string holds; a quote that nothing closes is a character like any other."""
    text = quoted[0]
    return "_" * len(text) if len(text) > 1 and text.endswith('"') else text


def _is_root(masked: str, attributes: str) -> bool:
    """Return whether attributes say the resource type of the alternate path, among others or not."""
    values = (_VALUE.match(attributes, name.end()) for name in _RESOURCE_TYPE.finditer(masked))
    return any(value is not None and _ROOT_TYPE in value[1].strip("\"' ").lower().split() for value in values)
