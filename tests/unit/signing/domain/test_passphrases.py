import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_signing.domain.errors import WeakPassphraseError
from sluice_signing.domain.passphrases import check_passphrase

KINDS = [string.ascii_uppercase, string.ascii_lowercase, string.digits, ":~`@#$%^&*()-_=+|?/<>[]{},.;'!\""]


@pytest.mark.requirement("R041")
@given(kinds=st.permutations(KINDS), data=st.data())
def test_six_characters_of_two_kinds_are_enough(kinds: list[str], data: st.DataObject) -> None:
    first = data.draw(st.text(kinds[0], min_size=1, max_size=5))
    check_passphrase(first + data.draw(st.text(kinds[1], min_size=6 - len(first), max_size=9)))


@given(kind=st.sampled_from(KINDS), data=st.data())
def test_one_kind_is_never_enough(kind: str, data: st.DataObject) -> None:
    with pytest.raises(WeakPassphraseError):
        check_passphrase(data.draw(st.text(kind, max_size=40)))


@given(st.text(max_size=5))
def test_five_characters_are_never_enough(passphrase: str) -> None:
    with pytest.raises(WeakPassphraseError):
        check_passphrase(passphrase)


def test_letters_of_other_scripts_are_a_kind_of_their_own() -> None:
    check_passphrase("口令abcd")
