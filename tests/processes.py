# ruff: noqa: INP001 - test folders are no packages
"""Processes of which a test must know whether they still live."""

import time
from collections.abc import Callable

import psutil

from sluice_embedded.adapters.processes import is_alive, started_at


def lives(pid: int) -> bool:
    """Return whether there is a live process with this pid."""
    return started_at(pid) is not None


def descendants(pid: int) -> list[psutil.Process]:
    """Return what a process has started, directly and indirectly, and what of it lives now."""
    return psutil.Process(pid).children(recursive=True)


def survivors(found: list[psutil.Process]) -> list[str]:
    """Return the command lines of those that still live."""
    return [" ".join(process.cmdline()) for process in found if is_alive(process.pid, process.create_time())]


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true within {seconds:.0f} s"  # noqa: S101 - a test's
        time.sleep(0.05)
