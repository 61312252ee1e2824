"""The object list of a registration: CoRE Link Format (RFC 6690 §2, OMA TS 1.0.2 §5.3.1, ADR 0019)."""

import re

from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import parse_path

MAX_LINKS = 1_024
_MAX_INSTANCE_DEPTH = 2
_PARAMETER = r";\s*[!#$&+\-.^_`|~*A-Za-z0-9]+(?:=(?:\"(?:[^\"\\]|\\.)*\"|[^\",;<>\s]*))?"
_LINK = re.compile(rf"\s*<([^<>\"]*)>((?:{_PARAMETER})*)\s*")
_LWM2M_ROOT = re.compile(r";\s*rt=\"?oma\.lwm2m\"?(?![^;])")


def parse_object_list(text: str) -> tuple[str, ...]:
    """Return the objects and object instances that a client lists, for example `/3/0`, without its alternate path.

    Raises:
        PayloadError: No link format, or more than `MAX_LINKS` links.
    """
    links = _links(text)
    root = next((target.rstrip("/") for target, parameters in links if _LWM2M_ROOT.search(parameters)), "")
    paths = (target.removeprefix(root) if target.startswith("/") else "" for target, _ in links)
    return tuple(path for path in paths if len(parse_path(path) or ()) in range(1, _MAX_INSTANCE_DEPTH + 1))


def _links(text: str) -> list[tuple[str, str]]:
    links: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _LINK.match(text, at)
        if match is None or len(links) == MAX_LINKS:
            raise PayloadError("malformed link format, or too many links")
        links.append((match[1], match[2]))
        at = match.end()
        if at < len(text) and text[at] != ",":
            raise PayloadError("malformed link format")
        at += 1
    return links
