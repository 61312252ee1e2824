"""The rule for passphrases of private keys."""

from sluice_signing.domain.errors import WeakPassphraseError

MIN_LENGTH = 6
MIN_CLASSES = 2
RECOMMENDED_LENGTH = 12
"""Characters from which on the tool does not advise a longer passphrase."""


def check_passphrase(passphrase: str) -> None:
    """Check a new passphrase by the rule of the guide's tool (R041).

    At least six characters of at least two of the classes A-Z, a-z, 0-9 and all others. It is the
    floor, not the recommendation.

    Raises:
        WeakPassphraseError: It is shorter or simpler.
    """
    classes = {_class_of(character) for character in passphrase}
    if len(passphrase) < MIN_LENGTH or len(classes) < MIN_CLASSES:
        raise WeakPassphraseError(length=MIN_LENGTH, classes=MIN_CLASSES)


def _class_of(character: str) -> str:
    if not character.isascii():
        return "other"
    if character.isupper():
        return "upper"
    if character.islower():
        return "lower"
    return "digit" if character.isdigit() else "other"
