"""The whole system on one machine, for the command line, the demo, tests and benchmarks.

`Stack` starts and owns a system; `RunningStack` looks at one that any process owns. Both are synchronous: where an
event loop runs, call `start` and `stop` from a thread.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping
from io import TextIOWrapper
from types import TracebackType
from typing import Self

from aiokafka.errors import KafkaError

from sluice_common.bus import create_topics
from sluice_embedded.adapters import processes, secantusdb, sockets, state
from sluice_embedded.adapters.java import ClassArchive
from sluice_embedded.adapters.kafka import Kafka
from sluice_embedded.adapters.mqtt import Mqtt
from sluice_embedded.adapters.state import Endpoints, SystemState
from sluice_embedded.adapters.supervisor import StartCancelledError, StartError, Supervisor
from sluice_embedded.domain.services import KAFKA, MONGODB, MQTT, PARTS
from sluice_embedded.layout import Layout
from sluice_embedded.running import AlreadyRunningError, NotRunningError, RunningStack, end_leftovers
from sluice_embedded.settings import EmbeddedSettings

_PART_STOP_DEADLINE = 60.0
"""Seconds: the first Kafka and the first broker write archives of their classes when they end."""
_RETRY = 0.2


class Stack(RunningStack):
    """A system that this process starts, supervises and stops.

    Args:
        settings: State folder, ports, deadlines.
        services: Names of the services to start, `kafka`, `mongodb` and `mqtt` among them; None for all.
        env: Environment of all services, for example scaled times; it wins over this process's own.
        python: Runs the services; that of another checkout has another version of them.
        progress: Told in a few words what is being done.

    Raises:
        UnknownServiceError: A name is not one of a service.
    """

    def __init__(
        self,
        settings: EmbeddedSettings,
        *,
        services: Collection[str] | None = None,
        env: Mapping[str, str] | None = None,
        python: str = sys.executable,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(settings)
        self._layout = Layout(settings, services, env or {})
        self._python = python
        self._progress = progress
        self._phase = "starting"
        self._lock: TextIOWrapper | None = None
        self._archives: dict[str, ClassArchive] = {}
        self._supervisor: Supervisor | None = None
        self._is_cancelled = False

    @property
    def is_cancelled(self) -> bool:
        """Return whether somebody asked for its end."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Have a `start` that goes on give up soon; only notes it, so that a handler of a signal may call it."""
        self._is_cancelled = True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Endpoints:
        """Start everything and return once all of it serves; what was started is stopped on any failure.

        Raises:
            AlreadyRunningError: Somebody runs a system on this state folder.
            PortTakenError: Names port and owner.
            InstallError: A part could not be installed.
            StartCancelledError: `cancel` was called.
            StartError: A service did not become ready; carries the end of its log.
        """
        self._take_state_folder()
        try:
            self._start_parts()
            self._start_services()
        except BaseException:
            self.stop()
            raise
        self._phase = "running"
        self._publish()
        return self.endpoints

    def stop(self) -> None:
        """Stop what was started, services before parts; harmless when nothing runs."""
        if self._supervisor is not None:
            self._phase = "stopping"
            names = {s.name for s in self._supervisor.states()}
            self._supervisor.stop(names - set(PARTS), self._settings.stop_deadline)
            codes = self._supervisor.stop(names & set(PARTS), _PART_STOP_DEADLINE)
            for name, archive in self._archives.items():
                archive.keep(codes.get(name))
            self._supervisor.close()
            self._supervisor = None
        if self._lock is not None:
            for name in ("endpoints.json", "state.json"):
                (self._settings.run / name).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def restart(self, service: str) -> None:
        """End a service in good order, start it again and wait until it serves."""
        self.stop_service(service)
        self.start_service(service)

    def stop_service(self, service: str) -> None:
        """End a service in good order and keep it ended."""
        self._running().stop([service], self._settings.stop_deadline)

    def change_version(self, service: str, python: str) -> None:
        """End a service in good order, and start that of another checkout in its place."""
        self.stop_service(service)
        (found,) = (each for each in self._layout.services() if each.name == service)
        self._running().start(self._layout.program(found, python))
        self._running().wait_ready([service], self._settings.start_deadline)

    def cut_off(self, service: str) -> None:
        """Kill a service and keep it ended until `start_service`, as if its machine were gone."""
        self._running().keep_ended(service)
        self.kill(service)

    def start_service(self, service: str) -> None:
        """Start a service that was stopped and wait until it serves."""
        self._running().start_again(service)
        self._running().wait_ready([service], self._settings.start_deadline)

    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise NotRunningError("the system has not been started")
        return self._supervisor

    def _take_state_folder(self) -> None:
        self._lock = state.take(self._settings.run / "lock")
        if self._lock is None:
            raise AlreadyRunningError(f"a system is running on {self._settings.state_dir}")
        end_leftovers(self._settings)
        sockets.raise_file_limit()
        self._supervisor = Supervisor(self._publish, self._settings.logs / "supervisor.log")

    def _start_parts(self) -> None:
        self._layout.require_ports()
        supervisor = self._running()
        parts = [part for part in PARTS if self._layout.owns(part)]
        if parts:
            self._progress("starting " + ", ".join(parts))
        if self._layout.owns(MONGODB):
            supervisor.start(secantusdb.program(self._settings, self._layout.ports))
        if self._layout.owns(KAFKA):
            self._start_java(KAFKA, Kafka(self._settings, self._layout.ports))
        if self._layout.owns(MQTT):
            self._start_java(
                MQTT,
                Mqtt(self._settings, self._layout.ports, self._layout.secret_settings()["SLUICE_MQTT_HOOK_SECRET"]),
            )
        self._wait_ready(PARTS)
        if self._layout.is_wanted(KAFKA):
            asyncio.run(self._create_topics())

    def _start_java(self, name: str, part: Kafka | Mqtt) -> None:
        self._archives[name] = part.archive
        self._running().start(part.program())

    def _start_services(self) -> None:
        services = self._layout.services()
        if services:
            self._progress("starting " + ", ".join(s.name for s in services))
        for service in services:
            self._running().start(self._layout.program(service, self._python))
        self._wait_ready([s.name for s in services])

    def _wait_ready(self, names: Collection[str]) -> None:
        self._running().wait_ready(names, self._settings.start_deadline, lambda: self._is_cancelled)

    async def _create_topics(self) -> None:
        creation = asyncio.create_task(self._try_to_create_topics())
        while not creation.done() and not self._is_cancelled:
            await asyncio.wait({creation}, timeout=_RETRY)
        if not creation.done():
            creation.cancel()
            raise StartCancelledError
        await creation

    async def _try_to_create_topics(self) -> None:
        until = time.monotonic() + self._settings.start_deadline
        while True:
            try:
                return await create_topics(self._layout.common())
            except KafkaError as error:
                if time.monotonic() > until:
                    raise StartError(f"Kafka does not create topics: {error!r}") from error
            await asyncio.sleep(_RETRY)

    def _publish(self) -> None:
        """Write the run files; called whenever a process or its state changed."""
        services = self._running().states()
        owner = os.getpid()
        state.write_private(
            self._settings.run / "state.json",
            SystemState(owner, processes.started_at(owner) or 0.0, self._phase, services),
        )
        if self._phase == "running":
            state.write_private(self._settings.run / "endpoints.json", self._layout.endpoints(services))
