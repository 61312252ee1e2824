"""libcoap's server as Debian has it (`libcoap3-bin`), serving one file: what the gateway's blocks are held against."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from sluice_demo.client import PlatformError
from sluice_embedded.adapters.guardian import Guardian

_START_SECONDS: Final = 10.0


def find() -> tuple[str, str] | None:
    """Return server and client; None if they are not installed."""
    server, client = shutil.which("coap-server-notls"), shutil.which("coap-client-notls")
    return None if server is None or client is None else (server, client)


@contextmanager
def serving(programs: tuple[str, str], port: int, path: str, file: Path) -> Iterator[psutil.Process]:
    """Serve a file at a path until the block ends; yields the process.

    Raises:
        PlatformError: It does not take the file.
    """
    server, client = programs
    started = subprocess.Popen([server, "-A", "127.0.0.1", "-p", str(port), "-d", "1"])  # noqa: S603 - the machine's own
    guardian = Guardian()
    guardian.watch(started.pid)
    try:
        _put(client, f"coap://127.0.0.1:{port}{path}", file)
        yield psutil.Process(started.pid)
    finally:
        started.terminate()
        started.wait(_START_SECONDS)
        guardian.close()


def _put(client: str, uri: str, file: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        put = [client, "-m", "put", "-b", "1024", "-B", "10", "-f", str(file), uri]
        done = subprocess.run(put, capture_output=True, check=False)  # noqa: S603 - as above
        if done.returncode == 0 and not done.stderr:
            return
        if time.monotonic() > until:
            raise PlatformError(f"libcoap's server does not take the file: {done.stderr.decode(errors='replace')}")
        time.sleep(0.2)
