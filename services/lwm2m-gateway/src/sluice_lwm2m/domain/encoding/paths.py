"""LwM2M paths: object, object instance, resource, resource instance (OMA TS 1.1.1 §7.3)."""

import re
from typing import NamedTuple

Path = tuple[int, ...]
"""One to four ids, for example (5, 0, 3)."""

MAX_DEPTH = 4
RESOURCE_DEPTH = 3
_PATH = re.compile(r"(?:/(?:0|[1-9][0-9]{0,4})){1,4}", re.ASCII)
_MAX_ID = 65_534  # 65535 is MAX_ID, reserved


class Asked(NamedTuple):
    """What a device was asked for.

    Attributes:
        path: The path, without the alternate path.
        root: Alternate path of the device's objects, which names in its answers may begin with; empty for the top.
    """

    path: Path
    root: str = ""


def parse_path(text: str) -> Path | None:
    """Return the path in a text such as `/5/0/3`, or None if it is none."""
    if not _PATH.fullmatch(text):
        return None
    path = tuple(map(int, text[1:].split("/")))
    return path if max(path) <= _MAX_ID else None


def path_text(path: Path) -> str:
    """Return a path as text."""
    return "".join(f"/{number}" for number in path)
