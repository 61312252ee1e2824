"""Passphrases, from an environment variable or the terminal."""

import getpass
import os
import sys

from sluice_signing.domain.errors import DifferentPassphrasesError, NoPassphraseError
from sluice_signing.domain.passphrases import check_passphrase

PASSPHRASE_VARIABLE = "SLUICE_SIGN_PASSPHRASE"  # noqa: S105 - the name, not the secret
"""Environment variable that holds the passphrase where nobody can be asked."""


def new_passphrase() -> str:
    """Return a passphrase for a new key, asked for twice; the rule is checked before the second time.

    Raises:
        KeyRefusedError: It is too weak, the two differ, or there is no terminal.
    """
    passphrase = ask_passphrase("New passphrase: ")
    check_passphrase(passphrase)
    if PASSPHRASE_VARIABLE not in os.environ and ask_passphrase("Again: ") != passphrase:
        raise DifferentPassphrasesError
    return passphrase


def ask_passphrase(prompt: str) -> str:
    """Return the passphrase of a key.

    Raises:
        NoPassphraseError: There is no terminal.
    """
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise NoPassphraseError
    try:
        return getpass.getpass(prompt)
    except EOFError as error:
        raise NoPassphraseError from error
