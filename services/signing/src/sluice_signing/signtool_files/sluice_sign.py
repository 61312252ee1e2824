"""Starts the signature tool out of the unpacked signtool.zip; without arguments its window.

The libraries that it needs are those in ``lib``, if they were made for this Python, else those that this Python has,
else it installs them once into ``.venv`` beside this file. Standard library only.
"""  # noqa: INP001 - the first file of a folder that users unpack

import importlib
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_LIBRARIES = ("cryptography.hazmat.bindings._rust", "msgspec")
_NEEDED = (3, 11)
_EXIT_FILE = 4


def main(arguments: Sequence[str]) -> int:
    """Start the tool and return its exit status."""
    if sys.version_info < _NEEDED:
        return _complain("Python 3.11 or newer is needed", "python")
    wheel = next(_HERE.glob("sluice_signing-*.whl"))
    if not (_bundled() or _importable()):
        return _run_installed(wheel, arguments)
    sys.path.insert(0, str(wheel))
    tool = importlib.import_module("sluice_signing.entrypoints.cli")
    return int(tool.main(arguments or ["gui"]))


def platform_tag() -> str:
    """Return what has to be the same for compiled libraries to be usable."""
    return f"{sys.implementation.cache_tag} {sysconfig.get_platform()}"


def _bundled() -> bool:
    lib = _HERE / "lib"
    if not (lib / "PLATFORM.txt").is_file() or (lib / "PLATFORM.txt").read_text().strip() != platform_tag():
        return False
    sys.path.insert(0, str(lib))
    if _importable():
        return True
    sys.path.remove(str(lib))
    return False


def _importable() -> bool:
    try:
        for name in _LIBRARIES:
            importlib.import_module(name)
    except ImportError:
        for name in [n for n in sys.modules if n.partition(".")[0] in {"cryptography", "msgspec", "cffi"}]:
            del sys.modules[name]
        return False
    return True


def _run_installed(wheel: Path, arguments: Sequence[str]) -> int:
    folder = _HERE / ".venv"
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    tool = scripts / ("sluice-sign.exe" if os.name == "nt" else "sluice-sign")
    if not tool.exists():
        sys.stderr.write("sluice-sign: installing cryptography and msgspec beside this file, once …\n")
        try:
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([scripts / "python", "-m", "pip", "install", "--quiet", str(wheel)], check=True)  # noqa: S603
        except (OSError, subprocess.CalledProcessError) as error:
            return _complain(
                f"the libraries could not be installed ({error}). Try: pipx install {wheel.name}", "install"
            )
    return subprocess.run([tool, *(arguments or ["gui"])], check=False).returncode  # noqa: S603 - the tool itself


def _complain(text: str, code: str) -> int:
    sys.stderr.write(f"sluice-sign: {text} [{code}]\n")
    return _EXIT_FILE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
