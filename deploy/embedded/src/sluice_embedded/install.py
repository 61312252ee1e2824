"""Makes the project-local Python environments, then hands over to the command line.

`./sluice` runs this file before any dependency exists, so it uses the standard library only. It names no package
registry: pip and uv take theirs from their own configuration.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
"""The checkout."""
HOME = ROOT / ".sluice"
"""Everything that is installed or kept lies below this folder."""
MINIMUM_JAVA = 17
JAVA_COMMANDS = frozenset({"up", "demo", "bench", "test", "cluster"})
"""Commands that start Kafka or the MQTT broker."""
MODULES = {
    "demo": "sluice_demo",
    "simulate": "sluice_simulator",
    "simulate-mqtt": "sluice_simulator.mqtt",
    "bench": "sluice_bench",
    "sign": "sluice_signing",
    "signtool": "sluice_signing.entrypoints.release",
    "cluster": "sluice_cluster",
}
"""Commands that are programs of their own and get all arguments; the rest is `sluice_embedded`."""

_SECRET = re.compile(r"(SLUICE_)?MONGODB_URI|SLUICE_.*_(KEY|KEYS|PASSWORD|SECRET|PASSPHRASE)", re.IGNORECASE)
"""Names of settings that are secrets, or may hold one; those of an earlier version and of other programs too."""
_EMBEDDED = ROOT / "deploy" / "embedded"
_JDK_HINT = "Debian: apt install openjdk-17-jdk-headless; macOS: brew install openjdk@17"
_MAVEN_HINT = "Debian: apt install maven; macOS: brew install maven"
_VENV_HINT = "Debian: apt install python3-venv; macOS: brew install python@3.13"


class InstallError(Exception):
    """Something could not be installed; the text is for people."""


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Show on standard error what is being done, for how many seconds, and that it is done."""
    started = time.monotonic()
    done = threading.Event()
    ticker = threading.Thread(target=_tick, args=(text, started, done), daemon=True)
    ticker.start()
    try:
        yield
    except BaseException:
        done.set()
        ticker.join()
        sys.stderr.write(f"{_fresh()}  {text}: failed\n")
        raise
    done.set()
    ticker.join()
    sys.stderr.write(f"{_fresh()}  {text}: done in {time.monotonic() - started:.1f} s\n")


def _fresh() -> str:
    return "\r\x1b[K" if sys.stderr.isatty() else ""


def _tick(text: str, started: float, done: threading.Event) -> None:
    if not sys.stderr.isatty():
        sys.stderr.write(f"  {text} …\n")
        sys.stderr.flush()
        return
    while not done.wait(0.2):
        sys.stderr.write(f"\r\x1b[K  {text} … {time.monotonic() - started:.0f} s")
        sys.stderr.flush()


def run_quietly(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    """Run a tool in the checkout and return what it said.

    Raises:
        InstallError: There is no such tool, or it failed; carries the end of what it said.
    """
    try:
        result = subprocess.run(  # noqa: S603 - our own argument lists, no shell
            [str(part) for part in argv],
            cwd=ROOT,
            env={**without_secrets(os.environ), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise InstallError(f"{argv[0]} is not on the path") from error
    if result.returncode:
        raise InstallError(f"{Path(argv[0]).name} failed:\n{result.stdout.strip()[-3000:]}")
    return result.stdout


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without Sluice's secrets: ours are given their own, and other programs none."""
    secrets = secrets_among(environment)
    return {name: value for name, value in environment.items() if name not in secrets}


def secrets_among(names: Iterable[str]) -> set[str]:
    """Return those names of settings that are secrets."""
    return {name for name in names if _SECRET.fullmatch(name)}


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Let one process at a time install; others wait and then find the work done."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def java_version() -> int | None:
    """Return the feature version of the JDK on the path; None without one (a bare JRE counts as none)."""
    if not shutil.which("java") or not shutil.which("javac"):
        return None
    with contextlib.suppress(InstallError):
        found = re.search(r'version "(\d+)', run_quietly(["java", "-version"]))
        return int(found[1]) if found else None
    return None


def missing_tools() -> list[str]:
    """Return what must be installed by hand before Kafka and the MQTT broker can start, each with how to get it."""
    missing = []
    version = java_version()
    if version is None or version < MINIMUM_JAVA:
        found = "none found" if version is None else f"found {version}"
        missing.append(f"a JDK {MINIMUM_JAVA} or newer ({found}). {_JDK_HINT}")
    if not shutil.which("mvn"):
        missing.append(f"Maven, which brings Apache Kafka and the MQTT broker. {_MAVEN_HINT}")
    return missing


def find_uv() -> Path:
    """Return uv: the one on the path, else a pinned one in an environment of its own.

    Raises:
        InstallError: Python has no venv module, or pip failed.
    """
    if on_path := shutil.which("uv"):
        return Path(on_path)
    lock = _EMBEDDED / "uv-bootstrap.lock"
    home = HOME / "uv"
    uv = home / "bin" / "uv"
    stamp = _digest([lock])
    if not _stamped(home, stamp):
        with step("Installing uv, which installs Python packages"):
            try:
                run_quietly([sys.executable, "-m", "venv", "--clear", home])
            except InstallError as error:
                raise InstallError(f"{error}\nPython needs its venv module. {_VENV_HINT}") from error
            run_quietly([home / "bin" / "python", "-m", "pip", "install", "--require-hashes", "-r", lock])
        _write_stamp(home, stamp)
    return uv


def make_environment(venv: Path, lock: Path, title: str, members: Sequence[Path] = (), *, build: bool = True) -> Path:
    """Create or refresh a virtual environment from a lock file with hashes; return its Python.

    Args:
        venv: Where the environment lies.
        lock: Requirements with hashes.
        title: What to call it while it is made.
        members: Our own packages, installed editable and without their dependencies.
        build: Whether packages without a wheel for this machine are built, which may need a compiler.

    Raises:
        InstallError: The installation failed.
    """
    python = venv / "bin" / "python"
    stamp = _digest([lock, *(member / "pyproject.toml" for member in members)])
    if _stamped(venv, stamp):
        return python
    with only_one(HOME / "install.lock"):
        if not _stamped(venv, stamp):
            uv = find_uv()
            with step(f"Installing {title}"):
                _fill(uv, venv, lock, members, build=build)
            _write_stamp(venv, stamp)
    return python


def _fill(uv: Path, venv: Path, lock: Path, members: Sequence[Path], *, build: bool) -> None:
    env = {"UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": "", **_index_of_pip()}
    python = venv / "bin" / "python"
    of_this_python = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not (python.exists() and of_this_python.exists()):
        run_quietly([uv, "venv", "--clear", "--python", sys.executable, venv], env=env)
    # Compiled once: where PYTHONDONTWRITEBYTECODE is set, each process would spend seconds on compiling all it imports.
    install: list[str | Path] = [uv, "pip", "install", "--compile-bytecode", "--python", python]
    run_quietly([*install, "--require-hashes", "-r", lock, *([] if build else ["--no-build"])], env=env)
    if members:
        editable: list[str | Path] = [part for member in members for part in ("-e", member)]
        run_quietly([*install, "--no-deps", *editable], env=env)


def _index_of_pip() -> dict[str, str]:
    """Hand pip's index on to uv, which reads its own settings only."""
    if {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys():
        return {}
    if index := os.environ.get("PIP_INDEX_URL"):
        return {"UV_DEFAULT_INDEX": index}
    with contextlib.suppress(InstallError):
        index = run_quietly([sys.executable, "-m", "pip", "config", "get", "global.index-url"]).strip()
        return {"UV_DEFAULT_INDEX": index}
    return {}


def _digest(files: Sequence[Path]) -> str:
    """Digest what an environment was made from: files, Python version and place."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _stamped(venv: Path, stamp: str) -> bool:
    file = venv / "sluice-stamp"
    return (venv / "bin" / "python").exists() and file.exists() and file.read_text() == stamp


def _write_stamp(venv: Path, stamp: str) -> None:
    (venv / "sluice-stamp").write_text(stamp)


def members() -> list[Path]:
    """Return the folders of the workspace's packages."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    found = (path for pattern in workspace["members"] for path in ROOT.glob(pattern))
    return sorted(path for path in found if (path / "pyproject.toml").exists())


def version() -> str:
    """Return the version of the checkout: `sluice_common.__version__`, read without importing what is not installed."""
    source = (ROOT / "libs" / "common" / "src" / "sluice_common" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    return found[1] if found else "unknown"


def require_tools(argv: Sequence[str]) -> None:
    """Check that what a command needs is there.

    Raises:
        InstallError: Names all that is missing, and how to get it.
    """
    if (
        not JAVA_COMMANDS.intersection(argv[:1])
        or list(argv[:2]) == ["test", "unit"]
        or {"KAFKA_BOOTSTRAP", "MQTT_URL"} <= os.environ.keys()
    ):
        return
    if missing := missing_tools():
        raise InstallError("Sluice needs:\n" + "\n".join(f"  - {item}" for item in missing))


def main(argv: Sequence[str]) -> int:
    """Set up what the command needs and run it in the project's environment."""
    if list(argv) == ["--version"]:
        sys.stdout.write(f"sluice {version()}\n")
        return 0
    try:
        require_tools(argv)
        python = make_environment(HOME / "venv", ROOT / "requirements.lock", "Python packages", members())
    except InstallError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return hand_over(python, argv)


def hand_over(python: Path, argv: Sequence[str]) -> int:
    """Become the program that runs a command.

    Bytecode is kept also where the environment forbids it: a system starts ten processes, tests start hundreds, and
    each would compile all that it imports.
    """
    module = MODULES.get(argv[0]) if argv else None
    arguments = [module, *argv[1:]] if module else ["sluice_embedded", *argv]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return os.execve(python, [str(python), "-m", *arguments], environment)  # noqa: S606 - hands over, never returns


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
