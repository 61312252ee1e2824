"""Starts the signature tool out of the unpacked signtool.zip; without arguments its window.

The libraries that it needs are those that this Python has, else those that were installed once into ``.venv`` beside
this file: by the hashes in requirements.txt, from the folder ``wheels`` beside it if there is one, else from the
index that pip is configured for. The passphrase is kept from every other program. Standard library only.
"""  # noqa: INP001 - the first file of a folder that users unpack

import importlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_VENV = _HERE / ".venv"
_WHEELS = _HERE / "wheels"
_LIBRARIES = ("cryptography.hazmat.bindings._rust", "msgspec")
_PASSPHRASE = "SLUICE_SIGN_PASSPHRASE"  # noqa: S105 - the name, not the secret
_NEEDED = (3, 11)
_EXIT_FILE = 4


def main(arguments: Sequence[str]) -> int:
    """Start the tool and return its exit status."""
    if sys.version_info < _NEEDED:
        return _complain("Python 3.11 or newer is needed", "python")
    if not _importable():
        return _run_installed(arguments)
    sys.path.insert(0, str(next(_HERE.glob("sluice_signing-*.whl"))))
    tool = importlib.import_module("sluice_signing.entrypoints.cli")
    return int(tool.main(arguments or ["gui"]))


def _importable() -> bool:
    try:
        for name in _LIBRARIES:
            importlib.import_module(name)
    except ImportError:
        return False
    return True


def _run_installed(arguments: Sequence[str]) -> int:
    """Run this file once more in an environment that has the libraries; make it if need be."""
    if Path(sys.prefix).resolve() == _VENV:
        return _complain(f"the libraries in {_VENV} are broken; delete it", "install")
    passphrase = os.environ.pop(_PASSPHRASE, None)
    python = _VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = _VENV / "complete"
    if not complete.exists():
        sys.stderr.write("sluice-sign: installing cryptography and msgspec beside this file, once …\n")
        try:
            _install(python)
            complete.touch()
        except (OSError, subprocess.CalledProcessError) as error:
            return _complain(f"the libraries could not be installed ({error}); see README.txt", "install")
    environment = os.environ | ({} if passphrase is None else {_PASSPHRASE: passphrase})
    command = [str(python), str(_HERE / "sluice_sign.py"), *arguments]
    return subprocess.run(command, check=False, env=environment).returncode  # noqa: S603 - the tool itself


def _install(python: Path) -> None:
    venv.create(_VENV, with_pip=True, clear=True)
    source = ["--no-index", "--find-links", str(_WHEELS)] if _WHEELS.is_dir() else []
    options = ["--quiet", "--require-hashes", "--only-binary", ":all:", *source]
    subprocess.run(  # noqa: S603 - our own arguments
        [python, "-m", "pip", "install", *options, "-r", _HERE / "requirements.txt"], check=True
    )


def _complain(text: str, code: str) -> int:
    sys.stderr.write(f"sluice-sign: {text} [{code}]\n")
    return _EXIT_FILE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
