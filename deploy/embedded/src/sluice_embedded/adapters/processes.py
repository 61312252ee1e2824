"""Processes: identity that survives the reuse of pids, start, and an end that leaves nothing behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from sluice_embedded.adapters.sockets import accepts

_SAME_START = 1.0
"""Seconds by which two readings of a process's start may differ."""
_POLL = 0.05
_ASK_AGAIN = 2.0
"""Seconds between two requests to end."""
WHEN_TOLD = 'read -r _ && exec "$@" </dev/null'
"""For the shell: becomes a program once it reads a line; ends if there will be none."""
_LARGEST_LOG = 32 * 1024 * 1024


@dataclass(frozen=True)
class Program:
    """What to start, and how to see that it serves.

    Attributes:
        name: Its service.
        argv: Command line.
        env: Its whole environment.
        cwd: Its working folder.
        log: File to which its output is appended.
        port: TCP port that it accepts connections on once it serves; None if it writes a file.
        ready_file: File that it creates once it serves; None if it opens a port.
        host: Address of that port.
        last: Whether it ends after the others, as they need it.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    port: int | None = None
    ready_file: Path | None = None
    host: str = "127.0.0.1"
    last: bool = False

    def is_ready(self) -> bool:
        """Return whether its process serves now."""
        if self.ready_file is not None:
            return self.ready_file.exists()
        return self.port is not None and accepts(self.port, self.host)


def started_at(pid: int) -> float | None:
    """Return when the live process with this pid started, seconds since 1970; None if there is none."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.create_time()
    return None


def is_alive(pid: int, started: float) -> bool:
    """Return whether the process that started then still lives: a pid alone may have been given away again."""
    found = started_at(pid)
    return found is not None and abs(found - started) < _SAME_START


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process with its threads and children; 0 if it is gone."""
    try:
        process = psutil.Process(pid)
        own = process.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        return total + sum(cpu_seconds(child.pid) for child in process.children())
    except psutil.Error:
        return 0.0


def spawn(program: Program) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C reaches its supervisor only; it waits for `release`."""
    program.cwd.mkdir(parents=True, exist_ok=True)
    if program.ready_file is not None:
        program.ready_file.parent.mkdir(parents=True, exist_ok=True)
        program.ready_file.unlink(missing_ok=True)
    program.log.parent.mkdir(parents=True, exist_ok=True)
    if program.log.exists() and program.log.stat().st_size > _LARGEST_LOG:
        program.log.replace(program.log.with_suffix(".old.log"))
    with program.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own table of programs, no shell
            ["/bin/sh", "-c", WHEN_TOLD, program.name, *program.argv],
            env=dict(program.env),
            cwd=program.cwd,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )


def release(process: subprocess.Popen[bytes]) -> None:
    """Let a program that was spawned run; if this process dies before that, the program does not run at all."""
    assert process.stdin is not None  # noqa: S101 - it was opened as a pipe
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(b"\n")


def reap(process: subprocess.Popen[bytes]) -> float | None:
    """Return the CPU seconds of a process that has ended, once; None while it lives.

    What it left behind in its process group is killed.
    """
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if pid == 0:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    signal_group(process.pid, signal.SIGKILL)
    return usage.ru_utime + usage.ru_stime


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a process and what it started; a process that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end(living: Callable[[], Sequence[int]], deadline: float) -> None:
    """End processes and return once they have ended: SIGTERM, and SIGKILL after the deadline.

    SIGTERM is repeated: a Python process with native threads that waits on a lock may take the first one in a thread
    that does not wake it.

    Args:
        living: Returns the pids of those that still live.
        deadline: Seconds.
    """
    until = time.monotonic() + deadline
    ask_at = 0.0
    while pids := living():
        now = time.monotonic()
        if now >= until:
            for pid in pids:
                _kill(pid)
        elif now >= ask_at:
            ask_at = now + _ASK_AGAIN
            for pid in pids:
                _ask_to_end(pid)
        time.sleep(_POLL)


def _ask_to_end(pid: int) -> None:
    """Send SIGTERM to one process, also if it is held by SIGSTOP."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)


def _kill(pid: int) -> None:
    signal_group(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):  # it leads no group, or has ended with its own
        os.kill(pid, signal.SIGKILL)


def end_strangers(found: Sequence[tuple[int, float]], deadline: float) -> None:
    """End processes that are not this process's children, and what is left in their process groups.

    Args:
        found: Pid and start time of each; those whose pid now belongs to another are left alone.
        deadline: Seconds before they are killed.
    """
    left = {pid: started for pid, started in found if is_alive(pid, started)}

    def living() -> Sequence[int]:
        for pid in [pid for pid, started in left.items() if not is_alive(pid, started)]:
            del left[pid]
            signal_group(pid, signal.SIGKILL)
        return list(left)

    end(living, deadline)
