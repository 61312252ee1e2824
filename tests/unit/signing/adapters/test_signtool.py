import base64
import csv
import io
import re
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from sluice_signing.adapters.signtool import build, build_wheel
from sluice_signing.release import write_release

ROOT = Path(__file__).parents[4]


@pytest.mark.requirement("R040")
def test_the_zip_holds_launchers_wheel_and_a_page_in_both_languages() -> None:
    with zipfile.ZipFile(io.BytesIO(build())) as archive:
        names = set(archive.namelist())
        assert {f"signtool/{name}" for name in ("README.txt", "sluice-sign", "sluice-sign.cmd")} <= names
        assert f"signtool/{build_wheel()[0]}" in names
        assert archive.getinfo("signtool/sluice-sign").external_attr >> 16 & 0o777 == 0o755
        assert "离线签名工具" in archive.read("signtool/README.txt").decode()


def test_it_is_built_the_same_each_time() -> None:
    assert build() == build()


def test_its_digest_is_the_one_in_the_documents() -> None:
    page = (ROOT / "docs" / "signed-package.md").read_text()
    digest = sha256(build()).hexdigest()
    assert f"`{digest}`" in page, f"the tool has changed: its SHA-256 is {digest}, to be written into signed-package.md"


def test_nothing_in_it_depends_on_the_machine_that_built_it() -> None:
    with zipfile.ZipFile(io.BytesIO(build())) as outer:
        wheel = next(name for name in outer.namelist() if name.endswith(".whl"))
        with zipfile.ZipFile(io.BytesIO(outer.read(wheel))) as inner:
            for entry in [*outer.infolist(), *inner.infolist()]:
                assert (entry.compress_type, entry.date_time) == (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))


def test_its_libraries_are_those_of_the_platform_by_their_hashes() -> None:
    with zipfile.ZipFile(io.BytesIO(build())) as archive:
        pinned = archive.read("signtool/requirements.txt").decode()
    lock = (ROOT / "requirements.lock").read_text()
    blocks = re.findall(r"^\S+==.*?(?=^\S|\Z)", pinned, re.MULTILINE | re.DOTALL)
    assert [block.partition("==")[0] for block in blocks] == ["cffi", "cryptography", "msgspec", "pycparser"]
    for block in blocks:
        assert f"\n{block}" in lock
        assert "--hash=sha256:" in block


def test_a_release_is_the_zip_with_its_digest_beside_it(tmp_path: Path) -> None:
    digest, path = write_release(tmp_path / "release")
    assert path.read_bytes() == build()
    assert (tmp_path / "release" / "signtool.zip.sha256").read_text() == f"{digest}  signtool.zip\n"
    assert digest == sha256(build()).hexdigest()


def test_the_wheel_records_every_file_truly() -> None:
    _, wheel = build_wheel()
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        record = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        rows = {name: (digest, size) for name, digest, size in csv.reader(io.TextIOWrapper(archive.open(record)))}
        assert set(rows) == set(archive.namelist())
        for name in set(rows) - {record}:
            content = archive.read(name)
            digest = base64.urlsafe_b64encode(sha256(content).digest()).decode().rstrip("=")
            assert rows[name] == (f"sha256={digest}", str(len(content)))


def test_the_wheel_has_the_command_and_no_caches() -> None:
    _, wheel = build_wheel()
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert b"sluice-sign = sluice_signing.entrypoints.cli:main" in archive.read(points).replace(b"  ", b" ")
        assert not [name for name in archive.namelist() if "__pycache__" in name]
