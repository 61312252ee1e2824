"""The API and its workers as processes, run as in production."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo.database import Database as PyMongoDatabase
from tests.integration.api.waiting import DEADLINE
from tests.processes import start_process

from sluice_common.ids import new_id
from sluice_embedded.adapters.guardian import Guardian

SEALING_KEY = "s" * 40
Documents = PyMongoDatabase[dict[str, Any]]
"""The database that the processes share, as tests look into it."""


class Process:
    """One entry point as it is run in production."""

    def __init__(self, module: str, environment: dict[str, str], folder: Path, guardian: Guardian) -> None:
        self._guardian = guardian
        self._module = module
        self._folder = folder
        self._ready = folder / f"{module}-{new_id()}.ready"
        self._environment = {**os.environ, **environment, "SLUICE_READY_FILE": str(self._ready)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            argv = [sys.executable, "-m", f"sluice_api.entrypoints.{self._module}"]
            self._process = start_process(argv, env=self._environment, stderr=log)
        self._guardian.watch(self._process.pid)
        deadline = time.monotonic() + 2 * DEADLINE
        while not self._ready.exists():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; return its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(DEADLINE)
        self._process = None
        return status

    @property
    def runs(self) -> bool:
        """Return whether it has been started and not stopped."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def _log(self) -> Path:
        return self._folder / f"{self._module}.log"

    def log(self) -> str:
        """Return what it logged."""
        return self._log.read_text()


NewProcess = Callable[..., Process]
