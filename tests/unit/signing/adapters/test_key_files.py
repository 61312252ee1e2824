import os
import stat
import subprocess
import sys
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


def test_whoever_is_cut_off_while_the_pair_is_written_finds_no_key_that_looks_like_one(
    pair: KeyPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def cut_off(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == at:
            raise KeyboardInterrupt
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", cut_off)
    for at in range(1, 5):  # each of the two files, and the names in the folder after each
        synced.clear()
        with pytest.raises(KeyboardInterrupt):
            write_key_pair(pair, tmp_path / str(at))
        assert [path.name for path in (tmp_path / str(at)).iterdir()] in ([], ["public.pem"])


def test_a_process_that_is_killed_between_the_two_leaves_the_public_key_alone(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from sluice_signing import KeyPair
from sluice_signing.adapters import key_files
write, killed_at = key_files._write_new, sys.argv[2]
def write_new(path, content, mode):
    if path.name == killed_at:
        os._exit(9)
    write(path, content, mode)
key_files._write_new = write_new
key_files.write_key_pair(KeyPair("ED25519", "id", b"private", b"public"), Path(sys.argv[1]))
"""
    for name, left in (("public.pem", []), ("private.pem", ["public.pem"])):
        folder = tmp_path / name.partition(".")[0]
        ended = subprocess.run([sys.executable, "-c", script, str(folder), name], check=False)
        assert ended.returncode == 9
        assert [path.name for path in folder.iterdir()] == left


def test_a_file_too_large_for_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(bytes(70_000))
    with pytest.raises(BadKeyError):
        read_key(tmp_path / "key.pem", "public")
