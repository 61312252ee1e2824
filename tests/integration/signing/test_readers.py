"""A package that verifies means the same to all: Python, Info-ZIP, jar and 7-Zip read what was signed, and no more.

Packages are changed byte by byte (`tests/unit/signing/hostile/mutations.py`); of those changes that the verification
lets pass, as they touch times or permissions, some of every kind are given to the readers as Debian has them.
"""

import io
import os
import random
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.unit.signing.hostile.mutations import Mutation, accepted, originals

READERS = {
    "unzip": ("unzip", ("unzip", "-qq", "-o", "{zip}", "-d", "{folder}")),
    "jar": ("openjdk-17-jdk-headless", ("jar", "xf", "{zip}")),
    "7zz": ("7zip", ("7zz", "x", "-y", "-bso0", "-o{folder}", "{zip}")),
}
"""Debian's package of each, and its command."""
OF_EACH_PLACE = {"unzip": 1, "7zz": 1, "jar": 0}
"""Changes of each kind that a reader gets; `jar` takes half a second for one, so that it gets a few of all."""
OF_ALL = {"unzip": 5, "7zz": 5, "jar": 5}
SEED = 20261129
DEADLINE = 60.0
Tree = dict[str, bytes]


@cache
def _mutations(kind: str) -> list[Mutation]:
    found = list(accepted(originals()[kind]))
    random.Random(SEED).shuffle(found)
    return found


def _sample(kind: str, reader: str) -> Iterator[bytes]:
    """Yield the package itself, and of its accepted changes some of each place and some more."""
    yield originals()[kind]
    seen: dict[str, int] = {}
    for number, mutation in enumerate(_mutations(kind)):
        seen[mutation.place] = seen.get(mutation.place, 0) + 1
        if number < OF_ALL[reader] or seen[mutation.place] <= OF_EACH_PLACE[reader]:
            yield mutation.raw


def _with_folders(contents: Tree) -> Tree:
    """Return contents with the folders that they imply: readers make them whether they are listed or not."""
    paths = [Path(name) for name in contents]
    return contents | {f"{folder.as_posix()}/": b"" for path in paths for folder in path.parents if folder.name}


def _of_python(raw: bytes) -> Tree:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return _with_folders({name: archive.read(name) for name in archive.namelist()})


def _unpacked(folder: Path) -> Tree:
    """Return what lies in a folder, a link as one; permissions may be anything."""
    found: Tree = {}
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            found[path.name] = b"a link"
        elif path.is_dir():
            path.chmod(0o700)
            found[f"{path.name}/"] = b""
            found |= {f"{path.name}/{name}": content for name, content in _unpacked(path).items()}
        else:
            path.chmod(0o600)
            found[path.name] = path.read_bytes()
    return found


def _of_command(command: tuple[str, ...], raw: bytes, folder: Path) -> Tree:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    package = folder.with_suffix(".zip")
    package.write_bytes(raw)
    arguments = [part.format(zip=package, folder=folder) for part in command]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    ended = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return _unpacked(folder)


@pytest.mark.requirement("R023")
@pytest.mark.parametrize("kind", originals())
def test_python_reads_every_accepted_package_as_it_was_signed(kind: str) -> None:
    expected = _of_python(originals()[kind])
    assert len(_mutations(kind)) > 100
    for mutation in _mutations(kind):
        assert _of_python(mutation.raw) == expected, mutation.place


@pytest.mark.requirement("R023")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", originals())
def test_other_readers_read_accepted_packages_as_they_were_signed(kind: str, reader: str, tmp_path: Path) -> None:
    debian, command = READERS[reader]
    if shutil.which(reader) is None:
        pytest.skip(f"{reader} is not installed (Debian: apt install {debian})")
    expected = _of_python(originals()[kind])
    for raw in _sample(kind, reader):
        assert _of_command(command, raw, tmp_path / "unpacked") == expected
