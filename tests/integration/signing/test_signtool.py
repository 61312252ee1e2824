"""`signtool.zip` as a user uses it: unpacked and run without anything else."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sluice_signing.adapters.signtool import build, build_wheel

DEADLINE = 240.0
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT"}
}


@pytest.fixture(scope="module")
def downloadable() -> bytes:
    return build()


@pytest.fixture(scope="module")
def folder(downloadable: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the tool as unzip does, permissions included."""
    where = tmp_path_factory.mktemp("下载")
    with zipfile.ZipFile(io.BytesIO(downloadable)) as archive:
        for entry in archive.infolist():
            Path(archive.extract(entry, where)).chmod(entry.external_attr >> 16 & 0o777)
    return where / "signtool"


def _run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = ENVIRONMENT | environment
    return subprocess.run(arguments, env=env, capture_output=True, text=True, check=False, timeout=DEADLINE)


RELEASE = ("--manufacturer", "Acme", "--model", "WM-1", "--version", "2.0.1")


@pytest.mark.requirement("R040")
def test_the_unpacked_tool_signs_and_verifies(folder: Path, tmp_path: Path) -> None:
    package = tmp_path / "固件.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.bin", b"firmware")
    tool, keys = folder / "sluice-sign", tmp_path / "keys"
    secrets = {"SLUICE_SIGN_PASSPHRASE": "abc123", "SLUICE_PYTHON": sys.executable}
    commands: list[list[str | Path]] = [
        ["keygen", "--algorithm", "ECDSA_256K1+SHA256", "--out", keys],
        ["sign", "--key", keys / "private.pem", *RELEASE, package],
        ["verify", "--key", keys / "public.pem", tmp_path / "固件_signed.zip"],
    ]
    for arguments in commands:
        ended = _run(tool, *arguments, **secrets)
        assert ended.returncode == 0, ended.stderr
    assert "The signature is valid." in ended.stdout


def test_what_the_tool_installs_is_pinned_and_does_not_see_the_passphrase(folder: Path, tmp_path: Path) -> None:
    tool = tmp_path / "signtool"
    shutil.copytree(folder, tool)
    spy = tmp_path / "spy"
    spy.mkdir()
    # Stands for pip: what it is called with, and what of its environment it could tell.
    (spy / "pip.py").write_text(
        "import os, sys; open(os.environ['SPY'], 'a').write(repr((sys.argv, dict(os.environ))))"
    )
    environment = {"SPY": str(tmp_path / "seen"), "SLUICE_SIGN_PASSPHRASE": "abc123", "PYTHONPATH": str(spy)}
    # Without site-packages there is nothing but the standard library, as on a machine without the libraries.
    ended = _run(sys.executable, "-S", tool / "sluice_sign.py", "algorithms", **environment)
    assert ended.returncode == 4
    assert ended.stderr.endswith("[install]\n")
    seen = (tmp_path / "seen").read_text()
    assert "'--require-hashes', '--only-binary', ':all:'" in seen
    assert "abc123" not in seen


@pytest.mark.skipif(not os.environ.get("SLUICE_TEST_INDEX"), reason="needs an index of packages (SLUICE_TEST_INDEX=1)")
def test_the_tool_installs_its_libraries_where_there_are_none(folder: Path, tmp_path: Path) -> None:
    tool = tmp_path / "signtool"
    shutil.copytree(folder, tool)
    for _ in range(2):
        ended = _run(sys.executable, "-S", tool / "sluice_sign.py", "algorithms")
        assert ended.stdout.splitlines()[:2] == ["ECDSA_256K1+SHA256", "RSA2048+SHA256"], ended.stderr


def test_the_same_source_builds_the_same_bytes(downloadable: bytes) -> None:
    assert build() == downloadable


def test_the_wheel_installs(tmp_path: Path) -> None:
    name, content = build_wheel()
    (tmp_path / name).write_bytes(content)
    uv = Path(sys.prefix).parent / "uv" / "bin" / "uv"
    installer = [uv, "pip"] if uv.exists() else ([shutil.which("uv") or "", "pip"] if shutil.which("uv") else None)
    if installer is None:
        pytest.skip("neither uv of the checkout nor another one is there")
    target = tmp_path / "installed"
    options: list[str | Path] = ["--no-deps", "--offline", "--python", sys.executable, "--target", target]
    ended = _run(*installer, "install", *options, tmp_path / name)
    assert ended.returncode == 0, ended.stderr
    assert (target / "bin" / "sluice-sign").exists()
