# ruff: noqa: INP001 - test folders are no packages
"""Processes of which tests must know whether they still live, and those that tests start themselves."""

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from sluice_embedded.adapters.guardian import Guardian
from sluice_embedded.adapters.processes import WHEN_TOLD, is_alive, release, started_at


@cache
def _guardian() -> Guardian:
    guardian = Guardian()
    atexit.register(guardian.close)
    return guardian


def end_with_the_tests(pid: int) -> None:
    """Have a process ended when this one is gone, also if it is killed."""
    _guardian().watch(pid)


def when_told(command: Sequence[str | Path]) -> list[str | Path]:
    """Return a command that becomes another one once it reads a line, and ends if there will be none."""
    return ["/bin/sh", "-c", WHEN_TOLD, "a-test", *command]


def start_process(command: Sequence[str | Path], **options: Any) -> "subprocess.Popen[bytes]":
    """Start a program that ends with the tests, without input; the options are those of `Popen`.

    It runs once the guardian knows of it: tests that are killed before leave nothing behind.
    """
    process = subprocess.Popen(when_told(command), stdin=subprocess.PIPE, bufsize=0, **options)  # noqa: S603 - our own
    end_with_the_tests(process.pid)
    release(process)
    return process


class ServiceProcess:
    """An entry point of a service as it is run in production.

    Args:
        module: What is run by `python -m`.
        environment: Its settings, beside this process's own environment.
        folder: For its log and for the file that says that it is ready.
        name: Names these files.
    """

    START_DEADLINE = 90.0
    STOP_DEADLINE = 30.0

    def __init__(self, module: str, environment: Mapping[str, str], folder: Path, name: str) -> None:
        self._module = module
        self._ready = folder / f"{name}.ready"
        self._log = folder / f"{name}.log"
        self._environment = {**os.environ, **environment, "SLUICE_READY_FILE": str(self._ready)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = start_process([sys.executable, "-m", self._module], env=self._environment, stderr=log)
        until(lambda: self._is_ready(self._running()), self.START_DEADLINE)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; return its exit status."""
        process = self._running()
        process.send_signal(number)
        status = process.wait(self.STOP_DEADLINE)
        self._process = None
        return status

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, and wait for nothing."""
        self._running().send_signal(number)

    def ended(self) -> int:
        """Wait until it has ended by itself; return its exit status."""
        status = self._running().wait(self.STOP_DEADLINE)
        self._process = None
        return status

    @property
    def runs(self) -> bool:
        """Return whether it has been started and not stopped."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        return self._running().pid

    def log(self) -> str:
        """Return what it logged."""
        return self._log.read_text()

    def _is_ready(self, process: "subprocess.Popen[bytes]") -> bool:
        assert process.poll() is None, self.log()  # noqa: S101 - a test's
        return self._ready.exists()

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None  # noqa: S101 - a test's
        return self._process


def lives(pid: int) -> bool:
    """Return whether there is a live process with this pid."""
    return started_at(pid) is not None


def descendants(pid: int) -> list[psutil.Process]:
    """Return what a process has started, directly and indirectly, and what of it lives now."""
    return psutil.Process(pid).children(recursive=True)


def wait_until_ended(found: list[psutil.Process], seconds: float = 120.0) -> None:
    """Wait for the end of processes; fail after so many seconds. A zombie has ended: not every init reaps orphans."""
    deadline = time.monotonic() + seconds
    while alive := [process for process in found if is_alive(process.pid, process.create_time())]:
        assert time.monotonic() < deadline, alive  # noqa: S101 - a test's
        time.sleep(0.05)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true within {seconds:.0f} s"  # noqa: S101 - a test's
        time.sleep(0.05)
