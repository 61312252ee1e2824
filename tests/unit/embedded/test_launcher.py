"""`./sluice` itself, a shell script, with Pythons that only pretend."""

import shutil
import subprocess
import sys
from pathlib import Path

from sluice_embedded.install import ROOT


def pretend(folder: Path, name: str, minor: int) -> Path:
    """Make a Python 3 of a minor version, as far as the launcher can tell."""
    python = folder / name
    test = f'printf "%s" "$2" | sed "s/sys.version_info/(3, {minor}, 1)/" | "{sys.executable}" -; exit $?'
    python.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then {test}; fi\necho {name} "$@"\n')
    python.chmod(0o755)
    return python


def launch(path: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    for tool in ("dirname", "sh", "sed"):
        if not (path / tool).exists():
            (path / tool).symlink_to(shutil.which(tool) or tool)
    return subprocess.run(
        [ROOT / "sluice", *arguments], env={"PATH": str(path), **env}, capture_output=True, text=True, check=False
    )


def test_the_first_python_that_is_new_enough_gets_all_arguments(tmp_path: Path) -> None:
    pretend(tmp_path, "python3", minor=9)
    pretend(tmp_path, "python3.12", minor=12)
    result = launch(tmp_path, "logs", "api", "-f")
    assert result.stdout.split()[0] == "python3.12"
    assert result.stdout.split()[-4:] == [f"{ROOT}/deploy/embedded/src/sluice_embedded/install.py", "logs", "api", "-f"]


def test_a_python_can_be_named(tmp_path: Path) -> None:
    pretend(tmp_path, "python3", minor=11)
    mine = pretend(tmp_path, "mine", minor=11)
    assert launch(tmp_path, SLUICE_PYTHON=str(mine)).stdout.startswith("mine ")


def test_a_python_for_which_all_parts_have_builds_is_preferred(tmp_path: Path) -> None:
    pretend(tmp_path, "python3", minor=14)
    assert launch(tmp_path).stdout.startswith("python3 ")
    pretend(tmp_path, "python3.13", minor=13)
    assert launch(tmp_path).stdout.startswith("python3.13 ")


def test_without_one_it_says_what_to_install(tmp_path: Path) -> None:
    pretend(tmp_path, "python3", minor=9)
    result = launch(tmp_path, "demo")
    assert result.returncode == 1
    for part in ("Python 3.11", "apt install", "brew install", "SLUICE_PYTHON"):
        assert part in result.stderr
