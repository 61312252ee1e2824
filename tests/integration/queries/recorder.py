"""Notes every query that the driver sends, and which function of the product has asked for it."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Self

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

SERVICES = Path(__file__).parents[3] / "services"
_QUERIES = frozenset(
    {"find", "find_one", "update_one", "update_many", "delete_one", "delete_many", "replace_one", "bulk_write"}
    | {"aggregate", "count_documents", "distinct"}
)
_NO_COLLECTION = re.compile(r"^(super\(\)|self|self\._lookups|self\._duplicates|app)$")
Query = tuple[str, Mapping[str, Any], Mapping[str, Any] | None]
"""Collection, filter and sort."""


class Recorder(CommandListener):
    """The queries of a client."""

    def __init__(self) -> None:
        self.queries: list[Query] = []

    def distinct(self) -> list[Query]:
        """Return one query of each form: collection, fields with their operators, and sort."""
        return list({_form(query): query for query in self.queries}.values())

    def started(self, event: CommandStartedEvent) -> None:
        """Note the queries of a command."""
        command, name = event.command, event.command_name
        if name in {"find", "update", "delete", "aggregate", "count", "distinct"}:
            collection = command[name]
            self.queries += [(collection, query, sort) for query, sort in _filters(name, command)]

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing."""


def _form(query: Query) -> str:
    collection, wanted, sort = query
    fields = {field: sorted(value) if isinstance(value, Mapping) else "" for field, value in wanted.items()}
    return f"{collection} {fields} {sort}"


def _filters(name: str, command: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    if name in {"update", "delete"}:
        yield from ((one["q"], None) for one in command[f"{name}s"])
    elif name == "aggregate":
        yield command["pipeline"][0]["$match"], None
    else:
        yield command.get("filter", command.get("query", {})), command.get("sort")


def functions_that_query() -> set[str]:
    """Return every function of an adapter that calls the driver with a query, as `file:Class.function`."""
    found: set[str] = set()
    for path in SERVICES.glob("*/src/*/adapters/**/*.py"):
        _visit(ast.parse(path.read_text()), [], str(path.relative_to(SERVICES)), found)
    return found


def _visit(node: ast.AST, names: list[str], file: str, found: set[str]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _visit(child, [*names, child.name], file, found)
        else:
            if _is_query(child):
                found.add(f"{file}:{'.'.join(names)}")
            _visit(child, names, file, found)


def _is_query(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in _QUERIES and not _NO_COLLECTION.match(ast.unparse(node.func.value))


class Callers:
    """Which functions of adapters were entered while it watches."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __enter__(self) -> Self:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and "/adapters/" in code.co_filename and code.co_filename.startswith(str(SERVICES)):
            self.seen.add(f"{Path(code.co_filename).relative_to(SERVICES)}:{code.co_qualname}")
