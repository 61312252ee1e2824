"""The whole system on one machine, for the command line, the demo, tests and benchmarks.

`Stack` starts and owns a system; `RunningStack` looks at one that any process owns. Both are synchronous: where an
event loop runs, call `start` and `stop` from a thread.
"""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from io import TextIOWrapper
from types import TracebackType
from typing import Self

import msgspec
from aiokafka.errors import KafkaError

from sluice_common.bus import create_topics
from sluice_common.settings import CommonSettings
from sluice_embedded.adapters import mqtt, processes, secantusdb, sockets, state
from sluice_embedded.adapters.java import ClassArchive
from sluice_embedded.adapters.kafka import Kafka
from sluice_embedded.adapters.mqtt import Mqtt
from sluice_embedded.adapters.processes import Program
from sluice_embedded.adapters.state import Endpoints, Secrets, ServiceState, SystemState
from sluice_embedded.adapters.supervisor import StartError, Supervisor
from sluice_embedded.domain.ports import Ports
from sluice_embedded.domain.services import KAFKA, MONGODB, MQTT, MQTT_GATEWAY, PARTS, Service, all_services
from sluice_embedded.running import NotRunningError, RunningStack, end_leftovers
from sluice_embedded.settings import EmbeddedSettings

_ADMIN = "admin"
_HOOK_SECRET = "SLUICE_MQTT_HOOK_SECRET"  # noqa: S105 - the name of a setting
_PART_STOP_DEADLINE = 60.0
"""Seconds: the first Kafka and the first broker write archives of their classes when they end."""
_RETRY = 0.2


class AlreadyRunningError(Exception):
    """Another process runs a system on this state folder."""


class UnknownServiceError(Exception):
    """There is no service of that name; the text lists them."""


class Stack(RunningStack):
    """A system that this process starts, supervises and stops.

    Args:
        settings: State folder, ports, deadlines.
        services: Names of the services to start, `kafka`, `mongodb` and `mqtt` among them; None for all.
        env: Environment of all services, for example scaled times; it wins over this process's own.
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
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(settings)
        self._ports = Ports(settings.port_base, settings.lwm2m_gateways, settings.mqtt_port, settings.mqtts_port)
        self._wanted = self._known(services)
        self._env = dict(env or {})
        self._progress = progress
        self._phase = "starting"
        self._lock: TextIOWrapper | None = None
        self._archives: dict[str, ClassArchive] = {}
        self._supervisor: Supervisor | None = None

    def _known(self, services: Collection[str] | None) -> Collection[str] | None:
        known = [*PARTS, *(s.name for s in all_services(self._ports, str(self._settings.listen)))]
        for name in services or ():
            if name not in known:
                raise UnknownServiceError(f"there is no service {name}; there are: {', '.join(known)}")
        return services

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
        self._require_ports()
        supervisor = self._running()
        parts = [part for part in PARTS if self._owns(part)]
        if parts:
            self._progress("starting " + ", ".join(parts))
        if self._owns(MONGODB):
            supervisor.start(secantusdb.program(self._settings, self._ports))
        if self._owns(KAFKA):
            self._start_java(KAFKA, Kafka(self._settings, self._ports))
        if self._owns(MQTT):
            self._start_java(MQTT, Mqtt(self._settings, self._ports, self._secret_settings()[_HOOK_SECRET]))
        supervisor.wait_ready(PARTS, self._settings.start_deadline)
        if self._is_wanted(KAFKA):
            asyncio.run(self._create_topics())

    def _start_java(self, name: str, part: Kafka | Mqtt) -> None:
        self._archives[name] = part.archive
        self._running().start(part.program())

    def _start_services(self) -> None:
        services = self._services()
        if services:
            self._progress("starting " + ", ".join(s.name for s in services))
        for service in services:
            self._running().start(self._program(service))
        self._running().wait_ready([s.name for s in services], self._settings.start_deadline)

    def _require_ports(self) -> None:
        if (port := self._ports.shared()) is not None:
            raise sockets.PortTakenError(f"TCP port {port} is wanted by two listeners: choose another for MQTT.")
        if self._owns(KAFKA):
            sockets.require_free(self._ports.kafka, KAFKA)
            sockets.require_free(self._ports.kafka_controller, KAFKA)
        if self._owns(MONGODB):
            sockets.require_free(self._ports.mongodb, MONGODB)
        if self._owns(MQTT):
            for port in (self._ports.mqtt, self._ports.mqtts):
                sockets.require_free(port, MQTT, host=str(self._settings.listen))
        for service in self._services():
            if service.hooks is not None:
                sockets.require_free(service.hooks, service.name)
            if service.port is not None:
                sockets.require_free(service.port, service.name, udp=service.udp, host=str(self._settings.listen))

    def _owns(self, part: str) -> bool:
        settings = self._settings
        real = {KAFKA: settings.kafka_bootstrap, MONGODB: settings.mongodb_uri, MQTT: settings.mqtt_url}
        return self._is_wanted(part) and real[part] is None

    def _services(self) -> list[Service]:
        return [s for s in all_services(self._ports, str(self._settings.listen)) if self._is_wanted(s.name)]

    def _is_wanted(self, name: str) -> bool:
        return self._wanted is None or name in self._wanted

    def _program(self, service: Service) -> Program:
        ready_file = self._settings.run / "ready" / service.name
        return Program(
            name=service.name,
            argv=[sys.executable, "-m", service.module],
            env={**self._environment(), **service.env, "SLUICE_READY_FILE": str(ready_file)},
            cwd=self._settings.data / service.name,
            log=self._settings.logs / f"{service.name}.log",
            ready_file=ready_file,
        )

    def _environment(self) -> dict[str, str]:
        """Return what all services get: this process's settings, then the stack's, then where the parts are."""
        common = self._common()
        return {
            **os.environ,
            **self._env,
            "SLUICE_KAFKA_BOOTSTRAP": common.kafka_bootstrap,
            "SLUICE_MONGODB_URI": common.mongodb_uri,
            "SLUICE_MONGODB_DATABASE": common.mongodb_database,
            "SLUICE_MQTT_URL": self._mqtt_url(),
            "SLUICE_DEVICES_DATA_DIR": str(self._settings.data / "devices"),
            **self._secret_settings(),
        }

    def _secret_settings(self) -> dict[str, str]:
        """Return the secrets by setting; those towards a broker elsewhere are its owner's to choose."""
        keys = secrets_of(self._settings)
        given = {**os.environ, **self._env}
        return {
            "SLUICE_TOKEN_KEY": keys.token_key,
            "SLUICE_SEALING_KEYS": keys.sealing_key,
            "SLUICE_BOOTSTRAP_APP_ID": keys.app_id,
            "SLUICE_BOOTSTRAP_APP_SECRET": keys.app_secret,
            "SLUICE_ADMIN_PASSWORD": keys.admin_password,
            "SLUICE_MQTT_PASSWORD": given.get("SLUICE_MQTT_PASSWORD") or keys.mqtt_password,
            _HOOK_SECRET: given.get(_HOOK_SECRET) or keys.hook_secret,
        }

    def _mqtt_url(self) -> str:
        return self._settings.mqtt_url or f"mqtt://{mqtt.client_host(self._settings)}:{self._ports.mqtt}"

    def _common(self) -> CommonSettings:
        return CommonSettings(
            kafka_bootstrap=self._settings.kafka_bootstrap or self._ports.kafka_address(),
            mongodb_uri=self._settings.mongodb_uri or self._ports.mongodb_address(),
            mongodb_database=self._settings.mongodb_database,
        )

    async def _create_topics(self) -> None:
        until = time.monotonic() + self._settings.start_deadline
        while True:
            try:
                await create_topics(self._common())
            except KafkaError as error:
                if time.monotonic() > until:
                    raise StartError(f"Kafka does not create topics: {error!r}") from error
            else:
                return
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
            state.write_private(self._settings.run / "endpoints.json", self._endpoints(services))

    def _endpoints(self, services: Sequence[ServiceState]) -> Endpoints:
        common = self._common()
        keys = secrets_of(self._settings)
        host = mqtt.client_host(self._settings)
        return Endpoints(
            api=f"http://{host}:{self._ports.api}",
            coap=[f"coap://{host}:{self._ports.coap(n)}" for n in range(self._ports.gateways)],
            mqtt=self._mqtt_url() if self._is_wanted(MQTT) else None,
            mqtts=f"mqtts://{host}:{self._ports.mqtts}" if self._owns(MQTT) else None,
            mqtt_certificate=str(mqtt.certificate_file(self._settings)) if self._owns(MQTT) else None,
            downloads=self._downloads(host) if self._is_wanted(MQTT_GATEWAY) else None,
            kafka_bootstrap=common.kafka_bootstrap,
            mongodb_uri=common.mongodb_uri,
            mongodb_database=common.mongodb_database,
            app_id=keys.app_id,
            app_secret=keys.app_secret,
            admin_user=_ADMIN,
            admin_password=keys.admin_password,
            pids={s.name: s.pid for s in services if s.pid is not None},
        )

    def _downloads(self, host: str) -> str:
        given = {**os.environ, **self._env}.get("SLUICE_DOWNLOAD_PUBLIC_URL")
        return given or f"http://{host}:{self._ports.downloads}"


def secrets_of(settings: EmbeddedSettings) -> Secrets:
    """Return the secrets of a state folder; made when they are first asked for, as are those new in this version."""
    path = settings.data / "secrets.json"
    known = state.read(path, dict[str, str])
    found = state.read(path, Secrets) or Secrets()
    if msgspec.to_builtins(found) != known:
        state.write_private(path, found)
    return found


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
