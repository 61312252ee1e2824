"""The offline tool ``sluice-sign``: key pairs, signing, verifying (R040-R049).

It needs no network and no other part of the platform. Exit status: 0 all is well, 1 the package is
refused, 2 wrong use, 3 the key or its passphrase is refused, 4 a file cannot be read or written, or no window opened.
"""

import argparse
import getpass
import io
import locale
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sluice_signing.adapters.archive import Archive
from sluice_signing.adapters.key_files import read_key, write_key_pair
from sluice_signing.domain.algorithms import ALGORITHMS
from sluice_signing.domain.entry_rules import check_entries
from sluice_signing.domain.errors import (
    DifferentPassphrasesError,
    KeyRefusedError,
    NoPassphraseError,
    NoWindowError,
    PackageRefusedError,
)
from sluice_signing.domain.keys import keygen, load_public_key
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.manifest import MANIFEST_NAME, parse_manifest, unseal
from sluice_signing.domain.passphrases import RECOMMENDED_LENGTH, check_passphrase
from sluice_signing.entrypoints.texts import Language
from sluice_signing.library import sign, verify

PASSPHRASE_VARIABLE = "SLUICE_SIGN_PASSPHRASE"  # noqa: S105 - the name, not the secret
"""Environment variable that holds the passphrase where nobody can be asked."""

EXIT_REFUSED = 1
EXIT_KEY = 3
EXIT_FILE = 4
_EXIT_INTERRUPTED = 130
_EXIT_SIGNALLED = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Paths are bytes on Linux, and consoles know few characters: never fail to say them.
            stream.reconfigure(errors="backslashreplace")
    try:
        options.run(options)
    except PackageRefusedError as error:
        return _complain(error.diagnostics(), error.code, EXIT_REFUSED)
    except KeyRefusedError as error:
        return _complain(error.diagnostics(), error.code, EXIT_KEY)
    except NoWindowError as error:
        return _complain(error.diagnostics(), error.code, EXIT_FILE)
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
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("keygen", help="make a key pair: private.pem and public.pem")
    names = [algorithm.name for algorithm in ALGORITHMS]
    command.add_argument("--algorithm", choices=names, default=names[0], metavar="NAME")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=_keygen)

    command = commands.add_parser("sign", help="write xxx_signed.zip beside xxx.zip")
    command.add_argument("--key", type=Path, required=True, metavar="PRIVATE.PEM")
    command.add_argument("package", type=Path, metavar="PACKAGE.ZIP")
    command.set_defaults(run=_sign)

    command = commands.add_parser("verify", help="verify a signed package")
    command.add_argument(
        "--key",
        type=Path,
        required=True,
        action="append",
        metavar="PUBLIC.PEM",
        help="may be given several times: any of the keys may have signed",
    )
    command.add_argument("package", type=Path, metavar="PACKAGE_SIGNED.ZIP")
    command.set_defaults(run=_verify)

    command = commands.add_parser("inspect", help="show what a package says, without verifying it")
    command.add_argument("package", type=Path, metavar="PACKAGE.ZIP")
    command.set_defaults(run=_inspect)

    command = commands.add_parser("algorithms", help="list the signature algorithms")
    command.set_defaults(run=_algorithms)

    command = commands.add_parser("gui", help="open the window; it needs no network and no server")
    command.add_argument("--language", choices=["en", "zh"], help="the system's, if left out; a button changes it")
    command.set_defaults(run=_gui)
    return parser


def _keygen(options: argparse.Namespace) -> None:
    passphrase = _new_passphrase()
    pair = keygen(options.algorithm, passphrase)
    private, public = write_key_pair(pair, options.out)
    _say(f"Private key: {private} (keep it and its passphrase safe)")
    _say(f"Public key:  {public} (upload it to the platform)")
    _say(f"Key id:      {pair.key_id}")
    if len(passphrase) < RECOMMENDED_LENGTH:
        _say(f"Advice:      a passphrase of {RECOMMENDED_LENGTH} or more characters is better")


def _sign(options: argparse.Namespace) -> None:
    private_pem = read_key(options.key, "private")
    passphrase = _passphrase("Passphrase: ")
    with _ending_in_order():
        signed = sign(options.package, private_pem, passphrase)
    _say(f"Signed: {signed}")


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM end the block by an exception, so that it leaves no half-written file behind."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_EXIT_SIGNALLED + number)


def _verify(options: argparse.Namespace) -> None:
    keys = [load_public_key(read_key(path, "public")) for path in options.key]
    package = verify(options.package, keys)
    _say("The signature is valid.")
    _say(f"Image:     {package.image_name} ({package.image_size} bytes)")
    _say(f"SHA-256:   {package.image_sha256}")
    _say(f"Algorithm: {package.algorithm}")
    _say(f"Key id:    {package.key_id}")
    _say(f"Signed at: {package.signed_at.isoformat()}")


def _inspect(options: argparse.Namespace) -> None:
    limits = PackageLimits()
    with options.package.open("rb") as file:
        archive = Archive(file, limits)
        check_entries(archive.entries, limits)
        for entry in archive.entries:
            if entry.name == MANIFEST_NAME:
                envelope = b"".join(archive.pieces(entry))
                break
        else:
            envelope = None
    for entry in archive.entries:
        _say(f"{entry.size:>12}  {entry.name}")
    if envelope is None:
        _say("Not signed.")
        return
    manifest = parse_manifest(unseal(envelope).payload)
    _say("Signed, NOT VERIFIED here; the package claims:")
    _say(f"Algorithm: {manifest.algorithm!r}")
    _say(f"Key id:    {manifest.key_id}")
    _say(f"Signed at: {manifest.signed_at.isoformat()}")


def _algorithms(_: argparse.Namespace) -> None:
    for algorithm in ALGORITHMS:
        _say(algorithm.name)


def _gui(options: argparse.Namespace) -> None:
    try:
        import tkinter as tk  # noqa: PLC0415 - not every Python has it, and only the window needs it

        from sluice_signing.entrypoints.window import open_window  # noqa: PLC0415 - as above
    except ImportError as error:
        detail = "this Python comes without Tk (Debian: apt install python3-tk; macOS: brew install python-tk)"
        raise NoWindowError(detail=detail) from error
    try:
        open_window(options.language or _system_language())
    except tk.TclError as error:
        raise NoWindowError(detail=str(error)) from error


def _system_language() -> Language:
    name = next((os.environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(key)), None)
    name = name or locale.getlocale()[0] or ""
    return "zh" if name.casefold().startswith(("zh", "chinese")) else "en"


def _new_passphrase() -> str:
    """Return a passphrase for a new key, asked for twice; the rule is told before the second."""
    passphrase = _passphrase("New passphrase: ")
    check_passphrase(passphrase)
    if PASSPHRASE_VARIABLE not in os.environ and _passphrase("Again: ") != passphrase:
        raise DifferentPassphrasesError
    return passphrase


def _passphrase(prompt: str) -> str:
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise NoPassphraseError
    try:
        return getpass.getpass(prompt)
    except EOFError as error:
        raise NoPassphraseError from error


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(text: str, code: str, status: int) -> int:
    sys.stderr.write(f"sluice-sign: {text} [{code}]\n")
    return status
