"""Secrets at rest: only the platform's keys open them, and keys can be rotated."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.sealing import CannotOpenError, NoSealingKeyError, Sealer, SealingError
from sluice_common.settings import SealingSettings

OLD, NEW = "old-key-of-at-least-32-characters", "new-key-of-at-least-32-characters"


@given(st.binary(max_size=256))
def test_what_was_sealed_opens_to_the_same_bytes(secret: bytes) -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(secret)
    assert sealer.open(sealed) == secret
    assert sealer.seal(secret) != sealed


def test_a_sealed_secret_does_not_show_it() -> None:
    assert "hunter2" not in Sealer([OLD]).seal(b"hunter2")


@pytest.mark.requirement("D17")
def test_the_first_key_seals_and_all_open() -> None:
    before = Sealer([OLD]).seal(b"secret")
    both = Sealer([NEW, OLD])
    assert both.open(before) == b"secret"
    assert not both.is_current(before)
    after = both.seal(both.open(before))
    assert both.is_current(after)
    assert Sealer([NEW]).open(after) == b"secret"


def test_a_key_that_did_not_seal_opens_nothing() -> None:
    with pytest.raises(CannotOpenError, match="add the key"):
        Sealer([NEW]).open(Sealer([OLD]).seal(b"secret"))


@pytest.mark.parametrize("sealed", ["", "not sealed", "gAAAAA==", "ü"])
def test_what_is_no_sealed_secret_is_refused(sealed: str) -> None:
    with pytest.raises(CannotOpenError):
        Sealer([OLD]).open(sealed)


def test_a_changed_sealed_secret_is_refused() -> None:
    sealed = Sealer([OLD]).seal(b"secret")
    changed = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
    with pytest.raises(CannotOpenError):
        Sealer([OLD]).open(changed)


def test_without_a_key_nothing_can_be_sealed_or_opened_and_the_error_says_what_to_set() -> None:
    sealer = Sealer([])
    assert not sealer.has_key
    for use in (lambda: sealer.seal(b"secret"), lambda: sealer.open("x"), lambda: sealer.is_current("x")):
        with pytest.raises(NoSealingKeyError, match="SLUICE_SEALING_KEYS"):
            use()


def test_a_short_key_is_refused() -> None:
    with pytest.raises(SealingError, match="32 characters"):
        Sealer([OLD, "short"])


def test_a_sealer_tells_no_keys() -> None:
    assert OLD not in repr(Sealer([OLD]))


def test_keys_come_from_the_environment_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_SEALING_KEYS", f"{NEW}, {OLD},")
    settings = SealingSettings()
    assert settings.all_sealing_keys() == (NEW, OLD)
    assert NEW not in repr(settings)


def test_keys_come_from_a_mounted_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{NEW}\n{OLD}\n")
    assert SealingSettings(sealing_keys_file=path).all_sealing_keys() == (NEW, OLD)


def test_a_file_of_keys_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        SealingSettings(sealing_keys_file=tmp_path / "none").all_sealing_keys()


def test_no_keys_are_no_error_until_they_are_needed() -> None:
    assert SealingSettings(sealing_keys="").all_sealing_keys() == ()
