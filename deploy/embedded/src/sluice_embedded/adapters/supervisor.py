"""Keeps programs running: a thread that starts again what ended by itself."""

import subprocess
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import structlog

from sluice_embedded.adapters import processes
from sluice_embedded.adapters.guardian import Guardian
from sluice_embedded.adapters.processes import Program
from sluice_embedded.adapters.state import ServiceState
from sluice_embedded.domain import backoff

_TICK = 0.05
_MAX_FAILED_STARTS = 4
_LOG_TAIL = 15


class StartError(Exception):
    """A service did not become ready; the text carries the end of its log."""


class StartCancelledError(Exception):
    """The start was cancelled before everything served."""


@dataclass
class _Supervised:
    program: Program
    state: ServiceState
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = True
    served: bool = False
    failures: int = 0
    started: float = 0.0
    next_start: float = 0.0


class Supervisor:
    """Programs by service, each in one live process as long as it is wanted and this process lives.

    Args:
        changed: Called, under the supervisor's lock, whenever a process or its state changed.
        log: File to which starts and ends are written.
    """

    def __init__(self, changed: Callable[[], None], log: Path) -> None:
        self._changed = changed
        log.parent.mkdir(parents=True, exist_ok=True)
        self._file = log.open("a")
        self._log = _logger(self._file)
        self._guardian = Guardian(self._file)
        self._lock = threading.RLock()
        self._supervised: dict[str, _Supervised] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def states(self) -> list[ServiceState]:
        """Return the state of each service, in starting order."""
        with self._lock:
            return [supervised.state for supervised in self._supervised.values()]

    def start(self, program: Program) -> None:
        """Start a program and keep it running."""
        with self._lock:
            self._supervised[program.name] = _Supervised(program, ServiceState(program.name))
            self._spawn(self._supervised[program.name])
            self._changed()

    def start_again(self, name: str) -> None:
        """Start a service that was stopped; harmless if it runs."""
        with self._lock:
            supervised = self._supervised[name]
            supervised.wanted = True
            supervised.next_start = 0.0

    def keep_ended(self, name: str) -> None:
        """Start a service no more once it has ended."""
        with self._lock:
            self._supervised[name].wanted = False

    def wait_ready(
        self, names: Collection[str], deadline: float, is_cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait until services serve.

        Args:
            names: Of the services.
            deadline: Seconds.
            is_cancelled: Asked again and again whether to give up.

        Raises:
            StartCancelledError: It was cancelled.
            StartError: One keeps ending, or did not serve within the deadline.
        """
        until = time.monotonic() + deadline
        while waiting := [s for s in self._of(names) if s.state.state != "ready"]:
            if is_cancelled():
                raise StartCancelledError
            for supervised in waiting:
                if supervised.failures >= _MAX_FAILED_STARTS and not supervised.served:
                    raise StartError(f"{supervised.program.name} keeps ending:\n{tail(supervised.program.log)}")
            if time.monotonic() > until:
                late = waiting[0].program
                raise StartError(f"{late.name} is not ready after {deadline:.0f} s:\n{tail(late.log)}")
            time.sleep(_TICK)

    def stop(self, names: Collection[str], deadline: float) -> dict[str, int | None]:
        """End services and keep them ended: SIGTERM to all, SIGKILL after the deadline (seconds).

        Returns:
            Exit code by service; None where none was running.
        """
        with self._lock:
            to_stop = self._of(names)
            for supervised in to_stop:
                supervised.wanted = False
                if supervised.process is None:
                    supervised.state.state = "stopped"
        ended = {s.program.name: s.process for s in to_stop}
        processes.end(lambda: self._pids(to_stop), deadline)
        return {name: process.returncode if process else None for name, process in ended.items()}

    def close(self) -> None:
        """End the thread; every service has been stopped before."""
        self._ended.set()
        self._thread.join()
        self._guardian.close()
        self._file.close()

    def _of(self, names: Collection[str]) -> list[_Supervised]:
        with self._lock:
            return [supervised for name, supervised in self._supervised.items() if name in names]

    def _pids(self, to_stop: Sequence[_Supervised]) -> list[int]:
        with self._lock:
            return [supervised.process.pid for supervised in to_stop if supervised.process is not None]

    def _run(self) -> None:
        while not self._ended.wait(_TICK):
            with self._lock:
                self._look_after_all()

    def _look_after_all(self) -> None:
        try:
            changes = [self._look_after(supervised) for supervised in self._supervised.values()]
            if any(changes):
                self._changed()
        except OSError as error:
            # For example a full disk: supervision goes on, and what failed is tried again.
            self._log.error("supervision_failed", error=repr(error))

    def _look_after(self, supervised: _Supervised) -> bool:
        if supervised.process is not None:
            return self._reap(supervised, supervised.process) or self._notice_ready(supervised)
        if supervised.wanted and time.monotonic() >= supervised.next_start:
            supervised.state.restarts += 1
            self._spawn(supervised)
            return True
        return False

    def _spawn(self, supervised: _Supervised) -> None:
        process = processes.spawn(supervised.program)
        self._guardian.watch(process.pid, last=supervised.program.last)
        processes.release(process)
        supervised.process = process
        supervised.started = time.monotonic()
        state = supervised.state
        state.pid = process.pid
        state.started = processes.started_at(process.pid) or time.time()
        state.state = "starting"
        self._log.info("service_started", service=state.name, pid=process.pid)

    def _notice_ready(self, supervised: _Supervised) -> bool:
        if supervised.state.state == "starting" and supervised.program.is_ready():
            supervised.state.state = "ready"
            supervised.served = True
            self._log.info("service_serves", service=supervised.state.name)
            return True
        return False

    def _reap(self, supervised: _Supervised, process: subprocess.Popen[bytes]) -> bool:
        used = processes.reap(process)
        if used is None:
            return False
        state = supervised.state
        state.cpu_seconds += used
        state.pid = None
        state.state = "stopped"
        supervised.process = None
        self._log.info("service_ended", service=state.name, exit_code=process.returncode, wanted=supervised.wanted)
        if supervised.wanted:
            self._plan_restart(supervised)
        return True

    def _plan_restart(self, supervised: _Supervised) -> None:
        lived = time.monotonic() - supervised.started
        supervised.failures = backoff.failures_after(supervised.failures, lived)
        supervised.next_start = time.monotonic() + backoff.delay(supervised.failures)
        supervised.state.state = "waiting"


def _logger(file: TextIO) -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(file),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    return logger


def tail(log: Path, lines: int = _LOG_TAIL) -> str:
    """Return the end of a log."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
