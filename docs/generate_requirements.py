"""Write `docs/requirements.md`: each requirement with the tests that show it.

Reads `docs/requirements.toml` and the `requirement` markers of all tests (by syntax tree; nothing is imported).
With `--check`, writes nothing and fails if the page is out of date, a marker names an unknown requirement, or a
requirement of the areas L2M, SINGLE or BATCH has no test.
"""

import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "requirements.md"
NEEDS_TESTS = {"L2M", "SINGLE", "BATCH"}
API_HALF = {"CONSOLE"}
HEADER = """# Requirements and the tests that show them

Written by `python docs/generate_requirements.py`; do not edit. Texts are in `docs/requirements.toml`.
Requirements of the area CONSOLE are shown for their API half only: what a console would need is there over HTTP,
the pages themselves are not part of what these tests show. An empty cell means that no test shows it yet.

| id | area | requirement | tests |
|---|---|---|---|
"""


def markers(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Yield (name of the test or class, requirement ids) of a test module."""
    module_wide = [i for node in tree.body if _assigns_pytestmark(node) for i in _ids(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found = [i for decorator in node.decorator_list for i in _ids(decorator)]
            if node.name.startswith("test"):
                found += module_wide
            if found:
                yield node.name, found


def _assigns_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets)


def _ids(node: ast.AST) -> Iterator[str]:
    """Yield the strings of every `requirement(...)` call below a node."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "requirement":
            for argument in call.args:
                yield from (str(c.value) for c in ast.walk(argument) if isinstance(c, ast.Constant))


def tests_by_requirement() -> dict[str, list[str]]:
    """Return requirement id → `path::test`, sorted."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, ids in markers(ast.parse(path.read_text(encoding="utf-8"))):
            for requirement in ids:
                found[requirement].append(f"{path.relative_to(ROOT / 'tests')}::{name}")
    return found


def render(requirements: dict[str, dict[str, str]], tests: dict[str, list[str]]) -> str:
    """Return the page."""
    rows = []
    for key, entry in requirements.items():
        area = f"{entry['area']} (API half)" if entry["area"] in API_HALF else entry["area"]
        text = entry["text"].replace("|", "\\|")
        cell = "<br>".join(f"`{t}`" for t in tests.get(key, []))
        rows.append(f"| {key} | {area} | {text} | {cell} |\n")
    return HEADER + "".join(rows)


def complaints(requirements: dict[str, dict[str, str]], tests: dict[str, list[str]], page: str) -> Iterator[str]:
    """Yield what is wrong, one line each."""
    for key in sorted(set(tests) - set(requirements)):
        yield f"{tests[key][0]} marks {key}, which docs/requirements.toml does not know"
    for key, entry in requirements.items():
        if entry["area"] in NEEDS_TESTS and not tests.get(key):
            yield f"{key} ({entry['area']}) has no test: {entry['text']}"
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        yield "docs/requirements.md is out of date: run python docs/generate_requirements.py"


def main() -> int:
    """Write the page, or check it."""
    requirements = tomllib.loads((ROOT / "docs" / "requirements.toml").read_text(encoding="utf-8"))
    tests = tests_by_requirement()
    page = render(requirements, tests)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    problems = list(complaints(requirements, tests, page))
    for problem in problems:
        sys.stderr.write(problem + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
