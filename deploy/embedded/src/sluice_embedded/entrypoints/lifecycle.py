"""The commands `up`, `down`, `status` and `reset`."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import IO

import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sluice_embedded import running
from sluice_embedded.adapters import kafka, mqtt, processes, secantusdb
from sluice_embedded.adapters.state import Endpoints, ServiceState, SystemState
from sluice_embedded.adapters.supervisor import StartError
from sluice_embedded.domain.services import KAFKA, MONGODB, MQTT
from sluice_embedded.entrypoints import supervisor
from sluice_embedded.install import secrets_among
from sluice_embedded.layout import Layout
from sluice_embedded.running import RunningStack, reset
from sluice_embedded.settings import EmbeddedSettings

_console = Console()
_DOWN_DEADLINE = 120.0
_POLL = 0.1
_MIB = 1024 * 1024


def up(settings: EmbeddedSettings, services: Sequence[str], *, foreground: bool) -> int:
    """Start everything, or some services, and show where it is; say so if it runs already, and if otherwise than asked.

    Raises:
        StartError: It runs with other addresses or without one of the services.
    """
    if already := RunningStack.find(settings):
        _require_as_asked(already, settings, services)
        _console.print("Sluice is running.")
        show_endpoints(already.endpoints, settings)
        return 0
    install_parts(settings, services)
    if foreground:
        supervisor.run(settings, services, lambda endpoints: _stay(endpoints, settings), _progress)
        return 0
    started = time.monotonic()
    _start_in_background(settings, services)
    show_endpoints(RunningStack(settings).endpoints, settings)
    _console.print(f"Started in {time.monotonic() - started:.1f} s. ./sluice down stops it.")
    return 0


def _require_as_asked(already: RunningStack, settings: EmbeddedSettings, services: Sequence[str]) -> None:
    """Check what was asked for; addresses that nobody asked for may be any."""
    layout = Layout(settings, services or None, {})
    asked, found = layout.endpoints([]), already.endpoints
    if "replicas" in settings.model_fields_set and asked.replicas != found.replicas:
        raise StartError(f"Sluice is running with {found.replicas} of each service. ./sluice down stops it.")
    differs = {
        "port_base": asked.api != found.api,
        "listen": asked.api != found.api,
        "parts_listen": asked.kafka_bootstrap != found.kafka_bootstrap,
        "mqtt_port": asked.mqtt != found.mqtt,
        "mqtts_port": asked.mqtts != found.mqtts,
    }
    if any(differs[name] for name in differs.keys() & settings.model_fields_set):
        raise StartError("Sluice is running with other addresses. ./sluice down stops it; then it can start anew.")
    if services and (missing := set(layout.names()) - {service.name for service in already.services()}):
        raise StartError(f"Sluice is running without {', '.join(sorted(missing))}. ./sluice down stops it.")


def install_parts(settings: EmbeddedSettings, services: Sequence[str] = ()) -> None:
    """Install Kafka, the MongoDB-wire server and the MQTT broker, as far as they are needed and missing, and show it.

    Args:
        settings: Name clusters to use instead.
        services: What is to be started; empty for everything.

    Raises:
        InstallError: One could not be installed.
    """
    if settings.kafka_bootstrap is None and (not services or KAFKA in services):
        kafka.ensure(settings.parts_dir)
    if settings.mongodb_uri is None and (not services or MONGODB in services):
        secantusdb.ensure(settings.parts_dir)
    if settings.mqtt_url is None and (not services or MQTT in services):
        mqtt.ensure(settings.parts_dir)


def _start_in_background(settings: EmbeddedSettings, services: Sequence[str]) -> None:
    log = settings.logs / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    process: subprocess.Popen[str] | None = None
    try:
        with log.open("ab") as errors, interrupts_held():
            process = _start_supervisor(services, errors)
        said = _follow(process)
    except KeyboardInterrupt:
        if process is not None:
            _console.print("stopping")
            process.send_signal(signal.SIGTERM)
            process.wait()
        raise
    if RunningStack.find(settings) is None:
        process.wait()
        raise StartError("\n".join(said) or f"the supervisor ended; see {log}")


def _start_supervisor(services: Sequence[str], errors: IO[bytes]) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "sluice_embedded.entrypoints.supervisor", *services]
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        start_new_session=True,
    )


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for a Ctrl-C only at the end: in its midst, a process that was started is not known."""
    held: list[int] = []
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a shell has put into the background
        yield
        return
    before = signal.signal(signal.SIGINT, lambda number, _frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


def _follow(process: subprocess.Popen[str]) -> list[str]:
    """Show progress until the supervisor hangs up; return what else it said."""
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    said: list[str] = []
    with process.stdout as lines:
        for line in lines:
            if line.startswith(supervisor.STEP):
                _progress(line.removeprefix(supervisor.STEP).rstrip())
            else:
                said.append(line.rstrip())
    return said


def _progress(text: str) -> None:
    _console.print(f"  {text} …", style="dim", highlight=False, soft_wrap=True)


def _stay(endpoints: Endpoints, settings: EmbeddedSettings) -> None:
    show_endpoints(endpoints, settings)
    _console.print("Ctrl-C stops it.")


def down(settings: EmbeddedSettings) -> int:
    """Stop what `up` started, and what an earlier supervisor left behind."""
    found = running.system_state(settings)
    if found is None:
        running.end_leftovers(settings)
        _console.print("Sluice is not running.")
        return 0
    _progress("stopping")
    os.kill(found.owner_pid, signal.SIGTERM)
    until = time.monotonic() + _DOWN_DEADLINE
    while processes.is_alive(found.owner_pid, found.owner_started) and time.monotonic() < until:
        time.sleep(_POLL)
    processes.end_strangers([(found.owner_pid, found.owner_started)], 0.0)
    running.end_leftovers(settings)
    _console.print("Sluice is stopped.")
    return 0


def status(settings: EmbeddedSettings, *, secrets: bool = False) -> int:
    """Show processes and addresses, or their secrets by name; the exit status is 0 only if everything serves."""
    found = running.system_state(settings)
    if found is None:
        _console.print("Sluice is not running. ./sluice up starts it.")
        return 1
    _console.print(_secrets_table(found) if secrets else _service_table(found))
    if found.phase == "running" and not secrets:
        show_endpoints(RunningStack(settings).endpoints, settings)
    return 0 if all(service.state == "ready" for service in found.services) else 1


def wipe(settings: EmbeddedSettings) -> int:
    """Delete all data and logs."""
    reset(settings)
    _console.print(f"Data and logs in {settings.state_dir} are deleted.")
    if settings.kafka_bootstrap or settings.mongodb_uri or settings.mqtt_url:
        _console.print("Kafka, MongoDB and brokers elsewhere were left as they are.")
    return 0


def _service_table(found: SystemState) -> Table:
    table = Table("service", "state", "pid", "up", "restarts", "CPU", "memory", box=None, header_style="bold")
    for service in found.services:
        table.add_row(*_service_row(service))
    return table


def _secrets_table(found: SystemState) -> Table:
    table = Table("process", "secrets in its environment", box=None, header_style="bold")
    for service in found.services:
        table.add_row(service.name, _secrets_in(service.pid))
    return table


def _secrets_in(pid: int | None) -> str:
    """Return the names of the secrets that a process has been started with, a line each."""
    if pid is None:
        return "not running"
    try:
        return "\n".join(sorted(secrets_among(psutil.Process(pid).environ()))) or "none"
    except psutil.Error as error:
        return f"not to be seen: {error}"


def _service_row(service: ServiceState) -> tuple[str, ...]:
    colour = "green" if service.state == "ready" else "yellow"
    row = (service.name, f"[{colour}]{service.state}[/]")
    if service.pid is None:
        return (*row, "-", "-", str(service.restarts), "-", "-")
    cpu = service.cpu_seconds + processes.cpu_seconds(service.pid)
    try:
        memory = f"{psutil.Process(service.pid).memory_info().rss / _MIB:.0f} MiB"
    except psutil.Error:
        memory = "-"
    uptime = f"{time.time() - service.started:.0f} s"
    return (*row, str(service.pid), uptime, str(service.restarts), f"{cpu:.1f} s", memory)


def show_endpoints(endpoints: Endpoints, settings: EmbeddedSettings) -> None:
    """Print where the system is reached and how to log in; long lines stay whole, so that they can be copied."""
    rows = {
        "API": f"{endpoints.api}/api/v1",
        "documentation": f"{endpoints.api}/api/v1/docs",
        "CoAP (LwM2M)": " ".join(endpoints.coap),
        "MQTT": " ".join(url for url in (endpoints.mqtt, endpoints.mqtts) if url),
        "downloads": endpoints.downloads or "",
        "app id": endpoints.app_id,
        "app secret": endpoints.app_secret,
        "administrator": f"{endpoints.admin_user}, password {endpoints.admin_password}",
        "Kafka": endpoints.kafka_bootstrap,
        "MongoDB": endpoints.mongodb_uri,
        "all of this": str(settings.run / "endpoints.json"),
    }
    _console.print()
    for name, value in rows.items():
        if not value:
            continue
        _console.print(f"  [bold]{name:<14}[/] {escape(value)}", highlight=False, soft_wrap=True)
    _console.print()
