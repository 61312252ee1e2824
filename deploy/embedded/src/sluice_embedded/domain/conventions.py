"""Conventions of this repository that no linter knows: retired names, retired libraries, documents that are not there.

Names are looked for word by word where code has them: identifiers, names of modules, openings of docstrings. Prose is
free to use any word.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Collection, Iterator
from pathlib import PurePosixPath

RETIRED_NAMES = {
    "Beginning": "StartCheck",
    "BusyDevices": "DeviceConflicts",
    "Ignored": "NoOpCounters",
    "Leftovers": "AbandonedUploads",
    "Once": "IdempotentCreation",
    "Owned": "TenantRepository",
    "Parts": "Services",
    "Refusal": "DenyReason",
    "Right": "DownloadPermission",
    "Rights": "DownloadPermissions",
    "SignsOfLife": "UplinkReporter",
    "Standstill": "StallDetector",
    "Turn": "Transition",
    "Waits": "PendingOperations",
    "aside": "asleep",
    "bury": "dead_letter, add_tombstone",
    "devices_committed": "faust_transport",
    "devices_table": "faust_table",
    "doubt": "pending_failure",
    "exposed": "needs_fence",
    "give_back": "release",
    "heard": "a name of what was received",
    "is_told": "is_reported",
    "notifying": "notifier",
    "patience": "idle_timeout",
    "quiet_until": "suspended_until",
    "quieten": "suspend_sends",
    "refusal": "precheck, or a name of the answer",
    "refusals": "precheck",
    "set_aside": "mark_undeliverable",
    "signs_of_life": "uplinks",
    "spoke": "a name of what was received",
    "stopping": "stop_and_purge",
    "surrender": "yield_slot",
    "telling": "publishing",
    "told": "reported",
    "turn": "transition",
    "turns": "locks",
    "untold": "unreported",
}
"""Names that are not used any more, without leading underscores, and what stands for them."""
_RETIRED_FAMILIES = re.compile(r"_*(most|MOST)_\w+")
_ANY_RETIRED = re.compile(rf"\b_*({'|'.join(RETIRED_NAMES)})\b|\b_*(most|MOST)_")
_RETIRED_OPENINGS = re.compile(r"(Tell|Say)s? whether\b|Whether\b")
_RETIRED_LIBRARY = re.compile(r"\bmotor\b|\bmotor_asyncio\b")
_DOCUMENT = re.compile(r"[\w./-]*\w\.md\b")
_TEST = re.compile(r"\b(tests/[\w./-]+\.py)::(\w+)")
_UNNAMED_DOCUMENT = re.compile(r"\bdesign §")
_DECISION = re.compile(r"\bADR (\d{4})\b")


def retired_names(path: PurePosixPath, source: str) -> Iterator[str]:
    """Yield every retired name of a Python module, with its place and what to use instead."""
    if (new := RETIRED_NAMES.get(path.stem.lstrip("_").removeprefix("test_"))) is not None:
        yield f"{path}: a module is not called {path.stem}: {new}"
    if not _ANY_RETIRED.search(source):
        return  # prose or code, there is none: reading tokens takes a hundred times as long
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.NAME:
            continue
        new = RETIRED_NAMES.get(token.string.lstrip("_"))
        if new is None and _RETIRED_FAMILIES.fullmatch(token.string):
            new = "max_…"
        if new is not None:
            yield f"{path}:{token.start[0]}: {token.string} is not used any more: {new}"


def retired_openings(path: PurePosixPath, source: str) -> Iterator[str]:
    """Yield every docstring of a function or class that does not open with "Return whether"."""
    if not re.search(rf'"""({_RETIRED_OPENINGS.pattern})', source):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            docstring = ast.get_docstring(node) or ""
            if _RETIRED_OPENINGS.match(docstring):
                line = getattr(node, "lineno", 1)
                yield f"{path}:{line}: a docstring opens with {docstring.split()[0]}: Return whether"


def retired_libraries(path: PurePosixPath, text: str) -> Iterator[str]:
    """Yield every line of code, of a project file or of a lock that names a library that was given up."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _RETIRED_LIBRARY.search(line):
            yield f"{path}:{number}: {found[0]} is not used any more"


def lost_documents(path: PurePosixPath, text: str, tracked: Collection[str]) -> Iterator[str]:
    """Yield every reference to a document or a decision that the repository does not have.

    Args:
        path: Of the file that refers.
        text: Its text.
        tracked: Paths of all files of the repository.
    """
    decisions = {name.removeprefix("docs/adr/")[:4] for name in tracked if name.startswith("docs/adr/")}
    for number, line in enumerate(text.splitlines(), 1):
        for name in _DOCUMENT.findall(line) if ".md" in line else ():
            if not _exists(path, name, tracked):
                yield f"{path}:{number}: there is no {name}"
        if _UNNAMED_DOCUMENT.search(line):
            yield f"{path}:{number}: names a section of a document that is not there"
        for decision in _DECISION.findall(line):
            if decision not in decisions:
                yield f"{path}:{number}: there is no ADR {decision}"


def lost_tests(path: PurePosixPath, text: str, read: Callable[[str], str | None]) -> Iterator[str]:
    """Yield every reference to a test, `tests/…/test_x.py::test_name`, that is not there.

    Args:
        path: Of the document.
        text: Its text.
        read: Returns the text of a file of the repository, None if there is none.
    """
    for number, line in enumerate(text.splitlines(), 1):
        for file, name in _TEST.findall(line):
            if f"def {name}(" not in (read(file) or ""):
                yield f"{path}:{number}: there is no {file}::{name}"


def _exists(path: PurePosixPath, name: str, tracked: Collection[str]) -> bool:
    """Return whether a document exists beside the file that names it, in `docs/` or from the root on."""
    folders = (path.parent, PurePosixPath("docs"), PurePosixPath(), PurePosixPath("docs/adr"))
    return any(_normal(folder / name) in tracked for folder in folders)


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return "/".join(parts)
