"""The command `check`: lint, format, types, floors, names, locks and the image, the same here and in CI."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from sluice_common import __version__
from sluice_embedded.domain.conventions import (
    lost_documents,
    lost_tests,
    retired_libraries,
    retired_names,
    retired_openings,
)
from sluice_embedded.domain.packaging import image_lock_problems, version_problems
from sluice_embedded.domain.supervised_work import unsupervised_work
from sluice_embedded.install import HOME, ROOT, InstallError, make_environment

_LOCK_NAMES = ("*.lock", "*lock.json", "*lock.yaml", "*.sha256", "go.sum")
_DOCKER = ROOT / "deploy" / "docker"
_REQUIREMENTS = ROOT / "docs" / "generate_requirements.py"
_IMPORT_CONTRACTS = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
)
_OWN_WORDS = "conventions.py"
"""The module that lists retired names, and its test, may hold them."""


def main() -> int:
    """Run every check, even after one failed; return 0 if all passed."""
    failed = [
        title
        for title, passed in (
            ("ruff check", _run("ruff check", ["-m", "ruff", "check", "--quiet", "."])),
            ("ruff format", _run("ruff format", ["-m", "ruff", "format", "--quiet", "--check", "--diff", "."])),
            ("mypy", _run("mypy", ["-m", "mypy", "--no-error-summary"])),
            ("imports", _run("imports", ["-c", _IMPORT_CONTRACTS])),
            ("conventions", _report_problems("conventions", _convention_problems)),
            ("locks", _report_problems("locks", _lock_problems)),
            ("requirements", _requirements()),
            ("dockerfile", _dockerfile()),
        )
        if not passed
    ]
    sys.stdout.write(f"failed: {', '.join(failed)}\n" if failed else "all checks passed\n")
    return 1 if failed else 0


def _run(title: str, arguments: Sequence[str], program: str = sys.executable) -> bool:
    started = time.monotonic()
    passed = subprocess.run([program, *arguments], cwd=ROOT, check=False).returncode == 0  # noqa: S603 - ours
    _report(title, passed=passed, seconds=time.monotonic() - started)
    return passed


def _requirements() -> bool:
    return not _REQUIREMENTS.exists() or _run("requirements", [str(_REQUIREMENTS), "--check"])


def _dockerfile() -> bool:
    """Lint the Dockerfile with hadolint, which comes as a binary: for few machines, and for those that check only."""
    try:
        python = make_environment(HOME / "hadolint", _DOCKER / "hadolint.lock", "hadolint", build=False)
    except InstallError as error:
        sys.stdout.write(f"{error}\ndockerfile     skipped: there is no hadolint for this machine\n")
        return True
    return _run("dockerfile", [str(_DOCKER / "Dockerfile")], str(python.with_name("hadolint")))


def _report(title: str, *, passed: bool, seconds: float) -> None:
    sys.stdout.write(f"{title:<14} {'ok' if passed else 'FAILED'} ({seconds:.1f} s)\n")
    sys.stdout.flush()


def _report_problems(title: str, look: Callable[[], Iterator[str]]) -> bool:
    started = time.monotonic()
    problems = list(look())
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    _report(title, passed=not problems, seconds=time.monotonic() - started)
    return not problems


def _convention_problems() -> Iterator[str]:
    tracked = {str(path.relative_to(ROOT)) for path in _tracked(("*",))}
    for name in sorted(tracked):
        path = PurePosixPath(name)
        if path.name.endswith(_OWN_WORDS) or path.suffix not in {".py", ".md", ".toml", ".lock"}:
            continue
        text = (ROOT / name).read_text()
        if path.suffix == ".py":
            yield from retired_names(path, text)
            yield from retired_openings(path, text)
            yield from unsupervised_work(path, text)
        if path.suffix != ".md":
            yield from retired_libraries(path, text)
        if path.suffix != ".lock":
            yield from lost_documents(path, text, tracked)
        if path.suffix == ".md":
            yield from lost_tests(path, text, lambda file: (ROOT / file).read_text() if file in tracked else None)


def _lock_problems() -> Iterator[str]:
    for lock in _tracked(_LOCK_NAMES):
        yield from lock_problems(lock.name, lock.read_text())
    locks = [(folder / "requirements.lock").read_text() for folder in (_DOCKER, ROOT)]
    yield from image_lock_problems(locks[0], locks[1], _texts("libs/*/pyproject.toml", "services/*/pyproject.toml"))
    yield from version_problems(__version__, _texts("pyproject.toml"))


def _texts(*patterns: str) -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text() for path in _tracked(patterns)}


def lock_problems(name: str, text: str) -> Iterator[str]:
    """Tell what is wrong with a lock file: it names a host, or pins without a hash."""
    if "://" in text:
        yield f"{name}: names a host"
    if name.endswith(".lock"):
        for entry in text.replace("\\\n", " ").splitlines():
            if entry.strip() and not entry.startswith("#") and "--hash=" not in entry:
                yield f"{name}: no hash for {entry.split()[0]}"


def _tracked(patterns: Sequence[str]) -> list[Path]:
    listed = subprocess.run(  # noqa: S603 - our own arguments
        ["git", "ls-files", "-z", "--", *patterns, *(f"**/{pattern}" for pattern in patterns)],  # noqa: S607 - as developers have it
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "GIT_LITERAL_PATHSPECS": "0"},
    )
    return sorted({ROOT / name for name in listed.stdout.split("\0") if name})
