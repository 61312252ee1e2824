"""No bare task and no bare loop: what the services do again and again, or beside something else, is supervised.

An exception in a bare task is lost or ends the process, and one in a bare loop ends the loop for everybody.
`sluice_common.supervision` has `repeat`, `forever`, `persist` and `supervised`, `sluice_common.background` has tasks
with an owner. Where neither can stand, a comment in the line says why: `# unsupervised: awaited at once`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

_HELPERS = frozenset(
    PurePosixPath("libs/common/src/sluice_common") / name for name in ("supervision.py", "background.py")
)
_BARE_TASKS = frozenset(("create_task", "ensure_future", "TaskGroup"))
_ANY = re.compile(r"\bwhile\b|\b(create_task|ensure_future|TaskGroup)\b")
_REASON = re.compile(r"#.*\bunsupervised: \w+")
_OURS = "sluice_"


def unsupervised_work(path: PurePosixPath, source: str) -> Iterator[str]:
    """Yield every bare task and every endless loop of a module of a service or library that gives no reason.

    Args:
        path: Of the module, from the root of the repository.
        source: Its text.
    """
    if path.parts[0] not in {"libs", "services"} or path in _HELPERS or not _ANY.search(source):
        return
    tree, lines = ast.parse(source), source.splitlines()
    ours = set(_imported_from_us(tree))
    for node in ast.walk(tree):
        what = _bare(node, ours)
        if what is not None and isinstance(node, ast.expr | ast.stmt) and not _REASON.search(lines[node.lineno - 1]):
            yield f"{path}:{node.lineno}: {what} outside sluice_common.supervision"


def _imported_from_us(tree: ast.Module) -> Iterator[str]:
    """Yield names that are imported from packages of this repository: their functions may have any name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_OURS):
            yield from (alias.asname or alias.name for alias in node.names)


def _bare(node: ast.AST, ours: set[str]) -> str | None:
    """Return what is bare about a node."""
    match node:
        case ast.While(test=ast.Constant(value=value)) if value:
            return "an endless loop"
        case ast.Attribute(attr=name, value=ast.Name(id=owner)) if name in _BARE_TASKS and owner not in ours:
            return name
        case ast.Attribute(attr=name, value=value) if name in _BARE_TASKS and not isinstance(value, ast.Name):
            return name
        case ast.ImportFrom(module="asyncio", names=names):
            return next((alias.name for alias in names if alias.name in _BARE_TASKS), None)
        case _:
            return None
