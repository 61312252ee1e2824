import hashlib
import os
from pathlib import Path

import pytest

from sluice_embedded.adapters.java import ClassArchive, verify
from sluice_embedded.install import InstallError


@pytest.fixture
def libs(tmp_path: Path) -> Path:
    folder = tmp_path / "libs"
    folder.mkdir()
    (folder / "a.jar").write_bytes(b"a")
    return folder


def pins(folder: Path, **jars: bytes) -> Path:
    file = folder / "jars.sha256"
    file.write_text("".join(f"{hashlib.sha256(data).hexdigest()}  {name}.jar\n" for name, data in jars.items()))
    return file


def test_the_pinned_jars_pass(libs: Path, tmp_path: Path) -> None:
    verify(libs, pins(tmp_path, a=b"a"))


@pytest.mark.parametrize("jars", [{"a": b"other"}, {"a": b"a", "b": b"b"}, {}])
def test_a_changed_missing_or_additional_jar_is_named(libs: Path, tmp_path: Path, jars: dict[str, bytes]) -> None:
    with pytest.raises(InstallError, match=r"[ab]\.jar is not the jar that jars\.sha256 pins"):
        verify(libs, pins(tmp_path, **jars))


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JDK that can only say its version."""
    tool = tmp_path / "java"
    tool.write_text("#!/bin/sh\necho 17 >&2\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def recording(archive: ClassArchive) -> Path:
    return Path(archive.options()[-1].split("=", 1)[1])


@pytest.mark.usefixtures("java")
def test_what_the_first_process_records_serves_the_next(tmp_path: Path) -> None:
    first = ClassArchive(tmp_path / "broker")
    recording(first).write_bytes(b"classes")
    first.keep(143)
    used = ClassArchive(tmp_path / "broker").options()[-1]
    assert used.startswith("-XX:SharedArchiveFile=")
    assert Path(used.split("=", 1)[1]).read_bytes() == b"classes"


@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("exit_code", [1, 137, None])
def test_what_a_broken_process_records_is_thrown_away(tmp_path: Path, exit_code: int | None) -> None:
    broken = ClassArchive(tmp_path / "broker")
    file = recording(broken)
    file.write_bytes(b"half")
    broken.keep(exit_code)
    assert not file.exists()
    assert ClassArchive(tmp_path / "broker").options()[-1].startswith("-XX:ArchiveClassesAtExit=")


@pytest.mark.usefixtures("java")
def test_what_was_recorded_for_processes_of_ours_that_died_is_removed(tmp_path: Path) -> None:
    abandoned = tmp_path / "recording-999999999.jsa"
    others = tmp_path / f"recording-{os.getppid()}.jsa"
    for file in (abandoned, others):
        file.write_bytes(b"classes")
    ClassArchive(tmp_path / "broker").options()
    assert not abandoned.exists()
    assert others.exists()
