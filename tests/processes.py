# ruff: noqa: INP001 - test folders are no packages
"""Processes of which tests must know whether they still live, and those that tests start themselves."""

import subprocess
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from sluice_embedded.adapters.guardian import Guardian
from sluice_embedded.adapters.processes import is_alive, started_at


@cache
def _guardian() -> Guardian:
    return Guardian()


def end_with_the_tests(pid: int) -> None:
    """Have a process ended when this one is gone, also if it is killed."""
    _guardian().watch(pid)


def start_process(command: Sequence[str | Path], **options: Any) -> "subprocess.Popen[bytes]":
    """Start a program that ends with the tests; the options are those of `Popen`."""
    process = subprocess.Popen(command, **options)  # noqa: S603 - tests run our own programs, without a shell
    end_with_the_tests(process.pid)
    return process


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
