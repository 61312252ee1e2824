"""`bench packages`: memory of every Sluice process while a large package is signed, uploaded, verified and downloaded.

The offline tool signs and verifies an image of noise, stored without compression; the signed zip goes through the real
API into GridFS, and the signing service verifies it and keeps the image. Every process of the platform, the tool and
the process that opens the zip are looked at many times a second. Kafka and the MongoDB-wire server are not Sluice's.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self

import httpx
import psutil
from rich.console import Console

from sluice_demo.client import PlatformError
from sluice_embedded.adapters.state import Endpoints
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

TARGET_MB: Final = 200.0
"""Most resident memory of any process, MB of 1,000,000 bytes."""
_MIB: Final = 1024 * 1024
_SERVICES: Final = ("api", "relay", "projector", "signing")
_CACHE_MIB: Final = 12_288
"""Most cache of SecantusDB. When what is written but not yet evicted exceeds a tenth of it, this beta stands still."""
_LOOK_SECONDS: Final = 0.02
_POLL_SECONDS: Final = 2.0
_DEADLINE: Final = 900.0
"""Seconds that one step may take."""
_TOOL, _OPENER = "sluice-sign", "signing: its process per package"
_PASSPHRASE: Final = "Sluice-bench-1"  # noqa: S105 - of a key that lives as long as the benchmark
_MANUFACTURER: Final = "Bench"
_MODEL: Final = "Large"
_RELEASE: Final = ("--manufacturer", _MANUFACTURER, "--model", _MODEL, "--version", "1.0.0")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--mib", type=int, default=1024, help="size of the image")
    parser.add_argument("--port-base", type=int, default=19_400, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure and return the figures.

    Args:
        options: Of the command line.
        console: Gets the progress.

    Raises:
        PlatformError: The platform refused the package or took too long.
    """
    state = HOME / "bench" / "packages"
    settings = EmbeddedSettings(state_dir=state, port_base=options.port_base, mongodb_cache=_CACHE_MIB)
    reset(settings)
    seconds: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        console.print(name, style="dim")
        began = time.monotonic()
        yield
        seconds[name] = round(time.monotonic() - began, 1)

    services = {"kafka", "mongodb", *_SERVICES}
    with (
        Stack(settings, services=services, progress=lambda text: console.print(text, style="dim")) as stack,
        TemporaryDirectory(dir=settings.state_dir) as temporary,
    ):
        folder = Path(temporary)
        with step("make"):
            image_sha256 = _make_zip(folder / "image.zip", options.mib)
        with Memory({service.name: service.pid for service in stack.services()}) as memory:
            _run_tool(memory, folder, step)
            with step("upload"):
                session = _Session(stack.endpoints)
                package_id = session.upload(folder)
            with step("verify on the platform"):
                package = session.wait_settled(package_id)
            with step("download"):
                is_same = session.download(package_id) == _sha256(folder / "image_signed.zip")
    differences = _differences(package, image_sha256, options.mib)
    if not is_same:
        differences.append("the downloaded original differs from the uploaded one")
    return {
        "image_mib": options.mib,
        "seconds": seconds,
        "peak_rss_mb": {name: round(peak / 1e6, 1) for name, peak in sorted(memory.peaks.items())},
        "looks": memory.looks,
        "target_mb": TARGET_MB,
        "differences": differences,
        "met": not differences and max(memory.peaks.values()) <= TARGET_MB * 1e6,
    }


class Memory:
    """Looks at the memory of processes in a thread, until it is left.

    Attributes:
        peaks: Most resident memory in bytes, by process.
        looks: How often it was looked.
    """

    def __init__(self, pids: dict[str, int | None]) -> None:
        self._known = {name: psutil.Process(pid) for name, pid in pids.items() if pid and name in _SERVICES}
        self.peaks: dict[str, int] = {}
        self.looks = 0
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._left.set()
        self._thread.join()

    def add(self, name: str, pid: int) -> None:
        """Look at one more process."""
        self._known = {**self._known, name: psutil.Process(pid)}

    def _look(self) -> None:
        while not self._left.wait(_LOOK_SECONDS):
            self.looks += 1
            for name, process in self._known.items():
                self._note(name, process)
            for child in self._children():
                self._note(_OPENER, child)

    def _children(self) -> list[psutil.Process]:
        try:
            return self._known["signing"].children()
        except psutil.NoSuchProcess:
            return []

    def _note(self, name: str, process: psutil.Process) -> None:
        try:
            resident = process.memory_info().rss
        except psutil.NoSuchProcess:
            return
        self.peaks[name] = max(self.peaks.get(name, 0), resident)


def _make_zip(path: Path, mib: int) -> str:
    """Write a zip of noise and return the image's SHA-256."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, archive.open("image.bin", "w") as entry:
        for _ in range(mib):
            piece = os.urandom(_MIB)
            digest.update(piece)
            entry.write(piece)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run_tool(memory: Memory, folder: Path, step: Any) -> None:
    keys = folder / "keys"
    commands = {
        "make keys": ["keygen", "--algorithm", "ECDSA_256K1+SHA256", "--out", str(keys)],
        "sign": ["sign", "--key", str(keys / "private.pem"), *_RELEASE, str(folder / "image.zip")],
        "verify offline": ["verify", "--key", str(keys / "public.pem"), str(folder / "image_signed.zip")],
    }
    for name, arguments in commands.items():
        with step(name):
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "sluice_signing", *arguments],
                env=os.environ | {"SLUICE_SIGN_PASSPHRASE": _PASSPHRASE},
                stdout=subprocess.DEVNULL,
            )
            memory.add(f"{_TOOL} {arguments[0]}", process.pid)
            if process.wait(_DEADLINE):
                raise PlatformError(f"sluice-sign {arguments[0]} ended with {process.returncode}")
    (folder / "image.zip").unlink()


class _Session:
    """An app's session at the API; streams the file, so that this process needs little memory too."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._http = httpx.Client(base_url=f"{endpoints.api}/api/v1", timeout=_DEADLINE)
        form = {"client_id": endpoints.app_id, "client_secret": endpoints.app_secret}
        token = self._content(self._http.post("/oauth2/token", data={"grant_type": "client_credentials", **form}))
        self._http.headers["Authorization"] = f"Bearer {token['access_token']}"

    def upload(self, folder: Path) -> str:
        """Upload key and package, and return the package's id."""
        product = {
            "manufacturer": _MANUFACTURER,
            "model": _MODEL,
            "device_type": "Gateway",
            "protocol": "LWM2M",
            "maintenance": {"firmware_upgrade": True, "upgrade_protocol": "LWM2M"},
        }
        product_id = self._content(self._http.post("/products", json=product))["product_id"]
        key = {"manufacturer": _MANUFACTURER, "pem": (folder / "keys" / "public.pem").read_text()}
        self._content(self._http.post("/public-keys", json=key))
        with (folder / "image_signed.zip").open("rb") as file:
            answer = self._http.post(
                "/packages",
                data={"product_id": product_id},
                files={"file": ("image_signed.zip", file, "application/zip")},
            )
        return str(self._content(answer)["package_id"])

    def wait_settled(self, package_id: str) -> dict[str, Any]:
        """Return the package once it is verified or rejected."""
        until = time.monotonic() + _DEADLINE
        while time.monotonic() < until:
            answer = self._http.get(f"/packages/{package_id}")
            # A database that writes a gigabyte may let others wait; 503 says so.
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                package = self._content(answer)
                if package["status"] != "VERIFYING":
                    return package
            time.sleep(_POLL_SECONDS)
        raise PlatformError(f"the package was not settled in {_DEADLINE:g} seconds")

    def download(self, package_id: str) -> str:
        """Download the original and return its SHA-256."""
        digest = hashlib.sha256()
        with self._http.stream("GET", f"/packages/{package_id}/file") as answer:
            if answer.is_error:
                raise PlatformError(f"the original is not served: {answer.status_code}")
            for piece in answer.iter_bytes():
                digest.update(piece)
        return digest.hexdigest()

    @staticmethod
    def _content(answer: httpx.Response) -> dict[str, Any]:
        if answer.is_error:
            raise PlatformError(
                f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
            )
        content: dict[str, Any] = answer.json()
        return content


def _differences(package: dict[str, Any], image_sha256: str, mib: int) -> list[str]:
    """Return what of the result is not as it should be."""
    if package["status"] != "VERIFIED":
        return [f"the package is {package['status']}: {package.get('rejection')}"]
    expected = {"image_sha256": image_sha256, "image_size": mib * _MIB}
    return [
        f"{name} is {package.get(name)}, not {value}" for name, value in expected.items() if package.get(name) != value
    ]
