"""A system that any process owns, seen through its run files."""

import os
import shutil
import signal
import time
from typing import Self

from sluice_embedded.adapters import processes, state
from sluice_embedded.adapters.state import Endpoints, ServiceState, SystemState
from sluice_embedded.adapters.supervisor import StartError
from sluice_embedded.domain.services import kind_of
from sluice_embedded.settings import EmbeddedSettings

_POLL = 0.2


class AlreadyRunningError(Exception):
    """Another process runs a system on this state folder."""


class NotRunningError(Exception):
    """No system, or no such service, runs on this state folder."""


class RunningStack:
    """A system as its run files describe it."""

    def __init__(self, settings: EmbeddedSettings) -> None:
        self._settings = settings

    @classmethod
    def find(cls, settings: EmbeddedSettings) -> Self | None:
        """Return the system that runs on a state folder, once all of it is ready; None if there is none."""
        found = system_state(settings)
        return cls(settings) if found is not None and found.phase == "running" else None

    @property
    def endpoints(self) -> Endpoints:
        """Where the system is reached.

        Raises:
            NotRunningError: Nothing has been started.
        """
        found = state.read(self._settings.run / "endpoints.json", Endpoints)
        if found is None:
            raise NotRunningError(f"no endpoints below {self._settings.run}")
        return found

    def services(self) -> list[ServiceState]:
        """Return the state of every process, in starting order."""
        found = state.read(self._settings.run / "state.json", SystemState)
        return found.services if found is not None else []

    def replicas(self, service: str) -> list[str]:
        """Return the names of a service's processes; none if the system does not have it."""
        return [found.name for found in self.services() if service in {found.name, kind_of(found.name)}]

    def pid(self, service: str) -> int:
        """Return the process id of a service, of one replica where it has several.

        Raises:
            NotRunningError: It is not running now.
        """
        for found in self.services():
            if found.name == service and found.pid is not None:
                return found.pid
        raise NotRunningError(f"{service} is not running")

    def kill(self, service: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to a service and return the pid that got it; what dies of it is started again."""
        pid = self.pid(service)
        os.kill(pid, number)
        return pid

    def wait_restarted(self, service: str, old_pid: int, deadline: float = 60.0) -> None:
        """Wait until another process than the old one serves.

        Raises:
            StartError: None does within the deadline (seconds).
        """
        until = time.monotonic() + deadline
        while not any(s.name == service and s.state == "ready" and s.pid != old_pid for s in self.services()):
            if time.monotonic() > until:
                raise StartError(f"{service} was not ready again within {deadline:.0f} s")
            time.sleep(_POLL)

    def cpu_seconds(self) -> dict[str, float]:
        """Return user and system time by service: all its processes so far, with threads and children."""
        return {s.name: s.cpu_seconds + (processes.cpu_seconds(s.pid) if s.pid else 0.0) for s in self.services()}


def system_state(settings: EmbeddedSettings) -> SystemState | None:
    """Return the state of the system whose owner lives; None if there is none."""
    found = state.read(settings.run / "state.json", SystemState)
    if found is None or not processes.is_alive(found.owner_pid, found.owner_started):
        return None
    return found


def end_leftovers(settings: EmbeddedSettings) -> None:
    """End the processes of a system whose owner died without doing so. Call it with the state folder's lock."""
    found = state.read(settings.run / "state.json", SystemState)
    if found is not None:
        orphans = [(s.pid, s.started) for s in found.services if s.pid is not None]
        processes.end_strangers(orphans, settings.stop_deadline)


def reset(settings: EmbeddedSettings) -> None:
    """Delete all data and logs of a system that does not run: Kafka, RocksDB and MongoDB together.

    Raises:
        AlreadyRunningError: It runs.
    """
    lock = state.take(settings.run / "lock")
    if lock is None:
        raise AlreadyRunningError(f"a system is running on {settings.state_dir}")
    with lock:
        end_leftovers(settings)
        for folder in (settings.data, settings.logs):
            shutil.rmtree(folder, ignore_errors=True)
