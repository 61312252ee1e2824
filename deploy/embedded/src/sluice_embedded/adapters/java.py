"""What Java programs have in common: pinned jars from Maven, and archives of the classes that they load."""

import hashlib
import os
import shutil
from pathlib import Path

import psutil

from sluice_embedded import install

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_CLEAN_EXITS = (0, 143)


def ensure_jars(parts: Path, name: str, title: str, pom: Path, pins: Path) -> Path:
    """Bring the jars of a pom unless they are there; return their folder.

    Args:
        parts: Folder of installed parts.
        name: Folder below it.
        title: What to call them while they are brought.
        pom: What Maven is to bring.
        pins: Digests of the jars: Maven's own pins say nothing about content.

    Raises:
        InstallError: Maven failed, or a jar is not the one that was pinned.
    """
    libs = parts / name / digest_of(pins)
    if not libs.exists():
        with install.only_one(parts / f"{name}.lock"):
            if not libs.exists():
                with install.step(f"Installing {title}"):
                    _download(libs, pom, pins)
    return libs


def digest_of(*files: Path) -> str:
    """Return a short name for the content of files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _download(libs: Path, pom: Path, pins: Path) -> None:
    partial_libs = libs.with_name("partial")
    shutil.rmtree(partial_libs, ignore_errors=True)
    goal = [_COPY, f"-DoutputDirectory={partial_libs}", "-Dmdep.useBaseVersion=true"]
    install.run_quietly(["mvn", "--batch-mode", "--no-transfer-progress", "-f", pom, *goal])
    verify(partial_libs, pins)
    partial_libs.rename(libs)


def verify(libs: Path, pins: Path) -> None:
    """Check that a folder holds the pinned jars, all of them and no other.

    Raises:
        InstallError: Names the first file that differs.
    """
    pinned = {name: digest for digest, name in (line.split() for line in pins.read_text().splitlines())}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in libs.iterdir()}
    for name in sorted(pinned.keys() | found.keys()):
        if pinned.get(name) != found.get(name):
            raise install.InstallError(f"{name} is not the jar that {pins.name} pins")


class ClassArchive:
    """The archive of the classes that a program loads: its first process writes it, later ones start in half the time.

    Args:
        path: Where it lies, without the name of the JDK: an archive serves only the one that wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._archive = path.with_name(f"{path.name}-{_java_digest()}.jsa")
        self._recording: Path | None = None

    def options(self) -> list[str]:
        """Return the options of a process: to use the archive, or to write one when it ends."""
        if self._archive.exists():
            return ["-Xshare:auto", f"-XX:SharedArchiveFile={self._archive}"]
        self._remove_abandoned()
        self._recording = self._archive.with_name(f"recording-{os.getpid()}.jsa")
        return ["-Xshare:auto", f"-XX:ArchiveClassesAtExit={self._recording}"]

    def keep(self, exit_code: int | None) -> None:
        """Publish the archive that a process wrote, if it ended in good order."""
        if self._recording is not None and self._recording.exists():
            if exit_code in _CLEAN_EXITS:
                self._recording.replace(self._archive)
            self._recording.unlink(missing_ok=True)

    def _remove_abandoned(self) -> None:
        """Remove what was written for processes of ours that died before they could publish it."""
        for recording in self._archive.parent.glob("recording-*.jsa"):
            if not psutil.pid_exists(int(recording.stem.removeprefix("recording-"))):
                recording.unlink(missing_ok=True)


def _java_digest() -> str:
    return hashlib.sha256(install.run_quietly(["java", "-version"]).encode()).hexdigest()[:12]
