import stat
from pathlib import Path

import pytest

from sluice_signing import KeyPair
from sluice_signing.adapters.key_files import read_key, write_key_pair
from sluice_signing.domain.errors import BadKeyError, KeyExistsError


@pytest.mark.requirement("R041")
def test_both_files_are_written_and_the_private_one_is_for_its_owner_only(pair: KeyPair, tmp_path: Path) -> None:
    private, public = write_key_pair(pair, tmp_path / "密钥" / "new")
    assert private.read_bytes() == pair.private_pem
    assert public.read_bytes() == pair.public_pem
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["private.pem", "public.pem"])
def test_nothing_is_overwritten(name: str, pair: KeyPair, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(KeyExistsError, match=name):
        write_key_pair(pair, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"


def test_a_file_too_large_for_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(bytes(70_000))
    with pytest.raises(BadKeyError):
        read_key(tmp_path / "key.pem", "public")
