"""The offline tool ``sluice-sign``: key pairs, signing, verifying (R040-R049).

It needs no network and no other part of the platform. Exit status: 0 all is well, 1 the package is
refused, 2 wrong use, 3 the key or its passphrase is refused, 4 a file cannot be read or written, or no window opened.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from sluice_signing.domain.algorithms import ALGORITHMS
from sluice_signing.domain.errors import (
    KeyRefusedError,
    NoReleaseError,
    NoWindowError,
    PackageRefusedError,
    SigningError,
)
from sluice_signing.entrypoints import commands
from sluice_signing.entrypoints.prompts import PASSPHRASE_VARIABLE

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_KEY = 3
EXIT_FILE = 4
_EXIT_INTERRUPTED = 130
_STATUSES: dict[type[SigningError], int] = {
    PackageRefusedError: EXIT_REFUSED,
    KeyRefusedError: EXIT_KEY,
    NoReleaseError: EXIT_USAGE,
    NoWindowError: EXIT_FILE,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Paths are bytes on Linux, and consoles know few characters: never fail to say them.
            stream.reconfigure(errors="backslashreplace")
    try:
        options.run(options)
    except SigningError as error:
        return _complain(error.diagnostics(), error.code, _status(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}.", "file", EXIT_FILE)
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluice-sign",
        description="Sign firmware packages and verify them, offline.",
        epilog=f"The passphrase is asked for, or taken from {PASSPHRASE_VARIABLE}.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    command = subparsers.add_parser("keygen", help="make a key pair: private.pem and public.pem")
    names = [algorithm.name for algorithm in ALGORITHMS]
    command.add_argument("--algorithm", choices=names, default=names[0], metavar="NAME")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=commands.run_keygen)

    command = subparsers.add_parser("sign", help="write xxx_signed.zip beside xxx.zip")
    command.add_argument("--key", type=Path, required=True, metavar="PRIVATE.PEM")
    command.add_argument("--manufacturer", help="whose package it is, as the platform's product has it")
    command.add_argument(
        "--model", action="append", dest="models", default=[], help="a model that it is for; may be given several times"
    )
    command.add_argument("--version", help="its version, as devices report it")
    command.add_argument("--sequence", metavar="NUMBER", help="number of the release, greater than before")
    command.add_argument(
        "--manifest-v1",
        action="store_true",
        help="sign without these, as before: not for a least version",
    )
    command.add_argument("package", type=Path, metavar="PACKAGE.ZIP")
    command.set_defaults(run=commands.run_sign)

    command = subparsers.add_parser("verify", help="verify a signed package")
    command.add_argument(
        "--key",
        type=Path,
        required=True,
        action="append",
        metavar="PUBLIC.PEM",
        help="may be given several times: any of the keys may have signed",
    )
    command.add_argument("package", type=Path, metavar="PACKAGE_SIGNED.ZIP")
    command.set_defaults(run=commands.run_verify)

    command = subparsers.add_parser("inspect", help="show what a package says, without verifying it")
    command.add_argument("package", type=Path, metavar="PACKAGE.ZIP")
    command.set_defaults(run=commands.run_inspect)

    command = subparsers.add_parser("algorithms", help="list the signature algorithms")
    command.set_defaults(run=commands.run_algorithms)

    command = subparsers.add_parser("gui", help="open the window; it needs no network and no server")
    command.add_argument("--language", choices=["en", "zh"], help="the system's, if left out; a button changes it")
    command.set_defaults(run=commands.run_gui)
    return parser


def _status(error: SigningError) -> int:
    """Return the exit status of a refusal."""
    return next(status for kind, status in _STATUSES.items() if isinstance(error, kind))


def _complain(text: str, code: str, status: int) -> int:
    sys.stderr.write(f"sluice-sign: {text} [{code}]\n")
    return status
