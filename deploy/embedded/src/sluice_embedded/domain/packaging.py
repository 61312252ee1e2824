"""What must agree between the package files, the version, and the two locks."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import chain

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SEPARATORS = re.compile(r"[-_.]+")
_OWN = "sluice"
"""Our own packages are in no lock: they come from the checkout."""


def version_problems(version: str, projects: Mapping[str, str]) -> Iterator[str]:
    """Tell which package files (by path) have another version than `sluice_common.__version__`."""
    for path, text in sorted(projects.items()):
        found = tomllib.loads(text)["project"]["version"]
        if found != version:
            yield f"{path}: version {found}, while sluice_common.__version__ is {version}"


def image_lock_problems(image: str, whole: str, projects: Mapping[str, str]) -> Iterator[str]:
    """Tell where the lock of the image differs from the whole lock, or lacks what a package in the image asks for.

    Args:
        image: Text of the lock of the image.
        whole: Text of the lock of the workspace.
        projects: Package files of what the image holds, by path.
    """
    pinned, expected = _pins(image), _pins(whole)
    for name, pin in sorted(pinned.items()):
        if expected.get(name) != pin:
            yield f"deploy/docker/requirements.lock: {name} is not pinned as in requirements.lock"
    for path, text in sorted(projects.items()):
        for name in sorted(_dependencies(text) - pinned.keys()):
            yield f"deploy/docker/requirements.lock: lacks {name}, which {path} asks for"


def _pins(lock: str) -> dict[str, str]:
    """Return each entry of a lock, with its hashes, by name."""
    entries = (" ".join(line.split()) for line in lock.replace("\\\n", " ").splitlines())
    return {_normal(entry.partition("==")[0]): entry for entry in entries if entry and not entry.startswith("#")}


def _dependencies(project: str) -> set[str]:
    table = tomllib.loads(project)["project"]
    asked = chain(table.get("dependencies", []), *table.get("optional-dependencies", {}).values())
    names = {_normal(found[0]) for text in asked if (found := _NAME.match(text))}
    return {name for name in names if not name.startswith(f"{_OWN}-")}


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name.strip()).lower()
