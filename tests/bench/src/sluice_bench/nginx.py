"""nginx as Debian has it, serving one folder with one worker: what the gateway's downloads are held against."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from sluice_demo.client import PlatformError
from sluice_embedded.adapters import sockets
from sluice_embedded.adapters.guardian import Guardian

_START_SECONDS: Final = 10.0
_POLL: Final = 0.05
_CONFIGURATION: Final = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 65;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {folder}/root;
  }}
}}
"""


def find() -> str | None:
    """Return the program; None if it is not installed."""
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextmanager
def serving(program: str, folder: Path, port: int) -> Iterator[psutil.Process]:
    """Serve the files below `folder/root` until the block ends; yields the master process.

    Raises:
        PlatformError: It does not start; says why.
    """
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port))
    sockets.require_free(port, "nginx")
    started = subprocess.Popen(  # noqa: S603 - the machine's own nginx, with our configuration
        [program, "-e", folder / "error.log", "-c", configuration, "-p", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    guardian = Guardian()
    guardian.watch(started.pid)
    try:
        until = time.monotonic() + _START_SECONDS
        while not (folder / "nginx.pid").exists() or not psutil.Process(started.pid).children():
            if started.poll() is not None or time.monotonic() > until:
                raise PlatformError(f"nginx does not start: see {folder / 'error.log'}")
            time.sleep(_POLL)
        yield psutil.Process(started.pid)
    finally:
        started.terminate()
        started.wait(_START_SECONDS)
        guardian.close()


def cpu_seconds(master: psutil.Process) -> float:
    """Return the user and system time of all its processes so far."""
    times = [process.cpu_times() for process in (master, *master.children())]
    return sum(time.user + time.system for time in times)
