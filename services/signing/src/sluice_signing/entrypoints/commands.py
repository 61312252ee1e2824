"""The commands of the offline tool: each does one thing with its options, and prints the result."""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sluice_signing.domain.algorithms import ALGORITHMS
from sluice_signing.domain.errors import NoReleaseError, NoWindowError
from sluice_signing.domain.keys import keygen, load_public_key
from sluice_signing.domain.passphrases import RECOMMENDED_LENGTH
from sluice_signing.domain.release import Release, parse_sequence
from sluice_signing.entrypoints.prompts import ask_passphrase, new_passphrase
from sluice_signing.entrypoints.window.texts import system_language
from sluice_signing.library import inspect, read_key, sign, verify, write_key_pair

_EXIT_SIGNALLED = 128
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that end the tool; Windows has no SIGHUP."""


def run_keygen(options: argparse.Namespace) -> None:
    """Make a key pair."""
    passphrase = new_passphrase()
    pair = keygen(options.algorithm, passphrase)
    with _signals_raise():
        private, public = write_key_pair(pair, options.out)
    _say(f"Private key: {private} (keep it and its passphrase safe)")
    _say(f"Public key:  {public} (upload it to the platform)")
    _say(f"Key id:      {pair.key_id}")
    if len(passphrase) < RECOMMENDED_LENGTH:
        _say(f"Advice:      a passphrase of {RECOMMENDED_LENGTH} or more characters is better")


def run_sign(options: argparse.Namespace) -> None:
    """Sign a package."""
    release = _release(options)
    private_pem = read_key(options.key, "private")
    passphrase = ask_passphrase("Passphrase: ")
    with _signals_raise():
        signed = sign(options.package, private_pem, passphrase, release=release)
    _say(f"Signed: {signed}")


def _release(options: argparse.Namespace) -> Release | None:
    """Return what the options say of the package; None if it is to be signed as before there was such a thing.

    Raises:
        NoReleaseError: They do not say it.
    """
    if options.manifest_v1:
        return None
    needed = {"manufacturer": options.manufacturer, "model": options.models, "version": options.version}
    if missing := [name for name, value in needed.items() if not value]:
        raise NoReleaseError(missing=" and which ".join(missing))
    return Release(
        manufacturer=options.manufacturer,
        models=tuple(options.models),
        version=options.version,
        sequence=None if options.sequence is None else parse_sequence(options.sequence),
    )


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block by an exception, so that it leaves no half-written file behind."""
    ending = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
    before = {number: signal.signal(number, _end) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_EXIT_SIGNALLED + number)


def run_verify(options: argparse.Namespace) -> None:
    """Verify a package."""
    keys = [load_public_key(read_key(path, "public")) for path in options.key]
    package = verify(options.package, keys)
    _say("The signature is valid.")
    _say(f"Image:     {package.image_name} ({package.image_size} bytes)")
    _say(f"SHA-256:   {package.image_sha256}")
    _say(f"Algorithm: {package.algorithm}")
    _say(f"Key id:    {package.key_id}")
    _say(f"Signed at: {package.signed_at.isoformat()}")
    _say_release(package.release)


def _say_release(release: Release | None) -> None:
    if release is None:
        _say("Manufacturer, models and version are not signed (manifest v1).")
        return
    _say(f"Made by:   {release.manufacturer}")
    _say(f"Models:    {', '.join(release.models)}")
    _say(f"Version:   {release.version}")
    if release.sequence is not None:
        _say(f"Sequence:  {release.sequence}")


def run_inspect(options: argparse.Namespace) -> None:
    """Show what a package says, without verifying it."""
    inspection = inspect(options.package)
    for entry in inspection.entries:
        _say(f"{entry.size:>12}  {entry.name}")
    manifest = inspection.manifest()
    if manifest is None:
        _say("Not signed.")
        return
    _say("Signed, NOT VERIFIED here; the package claims:")
    _say(f"Algorithm: {manifest.algorithm!r}")
    _say(f"Key id:    {manifest.key_id}")
    _say(f"Signed at: {manifest.signed_at.isoformat()}")
    _say_release(manifest.release)


def run_algorithms(_: argparse.Namespace) -> None:
    """List the signature algorithms."""
    for algorithm in ALGORITHMS:
        _say(algorithm.name)


def run_gui(options: argparse.Namespace) -> None:
    """Open the window."""
    try:
        import tkinter as tk  # noqa: PLC0415 - not every Python has it, and only the window needs it

        from sluice_signing.entrypoints.window.window import open_window  # noqa: PLC0415 - as above
    except ImportError as error:
        detail = "this Python comes without Tk (Debian: apt install python3-tk; macOS: brew install python-tk)"
        raise NoWindowError(detail=detail) from error
    try:
        open_window(options.language or system_language())
    except tk.TclError as error:
        raise NoWindowError(detail=str(error)) from error


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
