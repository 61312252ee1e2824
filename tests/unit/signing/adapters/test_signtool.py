import base64
import csv
import io
import zipfile
from hashlib import sha256

import pytest

from sluice_signing.adapters.signtool import build, build_wheel


@pytest.mark.requirement("R040")
def test_the_zip_holds_launchers_wheel_and_a_page_in_both_languages() -> None:
    with zipfile.ZipFile(io.BytesIO(build(libraries=False))) as archive:
        names = set(archive.namelist())
        assert {f"signtool/{name}" for name in ("README.txt", "sluice-sign", "sluice-sign.cmd")} <= names
        assert f"signtool/{build_wheel()[0]}" in names
        assert archive.getinfo("signtool/sluice-sign").external_attr >> 16 & 0o777 == 0o755
        assert "离线签名工具" in archive.read("signtool/README.txt").decode()


def test_it_is_built_the_same_each_time() -> None:
    assert build(libraries=False) == build(libraries=False)


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
