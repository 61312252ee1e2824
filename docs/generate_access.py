"""Writes the table of routes and what they need into access.md: `python docs/generate_access.py [--check]`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from generated_table import rewrite

from sluice_api.domain.access import Scope
from sluice_api.domain.access_tokens import ADMIN
from sluice_api.entrypoints.rest.application import create_http
from sluice_api.settings import ApiSettings

PAGE = Path(__file__).parent / "access.md"
BEGIN, END = "<!-- routes: made by generate_access.py -->\n", "<!-- end of routes -->\n"
_NOTHING = "no token"
_COLUMNS = (_NOTHING, *Scope, ADMIN)


def routes() -> Iterator[tuple[str, str, str]]:
    """Yield method, path and what is needed of all routes, in the order of paths."""
    for path, methods in sorted(create_http(ApiSettings()).openapi()["paths"].items()):
        for method, operation in methods.items():
            (need,) = operation["security"][0]["client_credentials"] if "security" in operation else (_NOTHING,)
            yield method.upper(), path, need


def table() -> str:
    """Return the table in Markdown."""
    rows = [f"| | {' | '.join(_COLUMNS)} |", f"|---|{'---|' * len(_COLUMNS)}"]
    for method, path, need in routes():
        marks = " | ".join("•" if column == need else "" for column in _COLUMNS)
        rows.append(f"| `{method} {path}` | {marks} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(rewrite(PAGE, BEGIN, END, table()))
