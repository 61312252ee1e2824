from pathlib import Path

from sluice_embedded.adapters import state
from sluice_embedded.adapters.secrets import secrets_of
from sluice_embedded.adapters.state import Secrets
from sluice_embedded.settings import EmbeddedSettings


def test_secrets_are_made_once_and_are_for_their_owner_only(tmp_path: Path) -> None:
    settings = EmbeddedSettings(state_dir=tmp_path)
    made = secrets_of(settings)
    assert secrets_of(settings) == made
    assert (settings.data / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_secrets_differ_between_state_folders(tmp_path: Path) -> None:
    first, second = (secrets_of(EmbeddedSettings(state_dir=tmp_path / name)) for name in ("a", "b"))
    assert first.sealing_key != second.sealing_key
    assert len(first.sealing_key) >= 32


def test_secrets_that_an_earlier_version_did_not_know_are_added_for_good(tmp_path: Path) -> None:
    settings = EmbeddedSettings(state_dir=tmp_path)
    state.write_private(settings.data / "secrets.json", {"sealing_key": "t" * 40, "app_id": "kept"})
    made = secrets_of(settings)
    assert (made.sealing_key, made.app_id) == ("t" * 40, "kept")
    assert made.hook_secret
    assert secrets_of(settings) == made


def test_tokens_that_an_earlier_version_has_signed_stay_valid(tmp_path: Path) -> None:
    settings = EmbeddedSettings(state_dir=tmp_path)
    state.write_private(settings.data / "secrets.json", {"token_key": "t" * 40})
    made = secrets_of(settings)
    assert made.image_token_key == made.download_token_key == "t" * 40
    assert secrets_of(settings) == made
    kept = state.read(settings.data / "secrets.json", dict[str, str]) or {}
    assert kept["token_key"] == "t" * 40, "the version before may come back"


def test_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    assert state.read(file, Secrets) is None
    file.write_text('{"sealing_key": ')
    assert state.read(file, Secrets) is None


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    first = state.take(tmp_path / "lock")
    assert first is not None
    assert state.take(tmp_path / "lock") is None
    first.close()
    second = state.take(tmp_path / "lock")
    assert second is not None
    second.close()
