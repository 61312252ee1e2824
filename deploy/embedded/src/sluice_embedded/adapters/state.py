"""The files that describe a running system to other processes: `run/state.json` and `run/endpoints.json`."""

import contextlib
import fcntl
import os
import secrets
from io import TextIOWrapper
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


class ServiceState(msgspec.Struct):
    """One process.

    Attributes:
        name: Its service, with the ordinal where that has replicas.
        pid: Its process id; None while it is not running.
        started: When that process started, seconds since 1970.
        state: `starting`, `ready`, `waiting` (for its restart) or `stopped`.
        restarts: How often it has been started again.
        cpu_seconds: CPU time of its earlier processes, children included.
    """

    name: str
    pid: int | None = None
    started: float = 0.0
    state: str = "stopped"
    restarts: int = 0
    cpu_seconds: float = 0.0


class SystemState(msgspec.Struct):
    """Who runs the system, and its processes.

    Attributes:
        owner_pid: Process that supervises.
        owner_started: When it started, seconds since 1970.
        phase: `starting`, `running`, `stopping`, or why it failed.
        services: All processes by service, in starting order.
    """

    owner_pid: int
    owner_started: float
    phase: str
    services: list[ServiceState]


class Secrets(msgspec.Struct):
    """What is generated once per state folder.

    Attributes:
        image_token_key: Signs the tokens in image URIs.
        download_token_key: Signs the tokens in download URLs.
        access_token_key: Gives the key pair of access tokens.
        sealing_key: Seals secrets that are stored in MongoDB.
        app_id: First app.
        app_secret: Its OAuth2 client secret.
        admin_password: Of the user `admin`.
        mqtt_password: Of the platform at the MQTT broker.
        hook_secret: Of the MQTT broker at the hooks of the mqtt-gateway.
    """

    image_token_key: str = msgspec.field(default_factory=lambda: secrets.token_hex(32))
    download_token_key: str = msgspec.field(default_factory=lambda: secrets.token_hex(32))
    access_token_key: str = msgspec.field(default_factory=lambda: secrets.token_hex(32))
    sealing_key: str = msgspec.field(default_factory=lambda: secrets.token_hex(32))
    app_id: str = msgspec.field(default_factory=lambda: secrets.token_hex(12))
    app_secret: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(24))
    admin_password: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(12))
    mqtt_password: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(24))
    hook_secret: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(24))


class Endpoints(msgspec.Struct):
    """Where the running system is reached, and how to log in. It holds secrets: mode 0600.

    Attributes:
        api: Base URL of the API, without `/api/v1`.
        coap: URI of each LwM2M gateway.
        kafka_bootstrap: Kafka.
        mongodb_uri: MongoDB.
        mongodb_database: Database name.
        console: URL of the console; none yet.
        mqtt: URL of the MQTT broker; None where its part does not run.
        mqtts: URL of its TLS listener; None for a broker elsewhere.
        mqtt_certificate: File with the certificate (PEM) that the TLS listener shows.
        downloads: Base URL of firmware downloads; None where their service does not run.
        app_id: First app, OAuth2 client id.
        app_secret: OAuth2 client secret.
        admin_user: User of the console.
        admin_password: Password of that user.
        replicas: How many processes each service has.
        metrics: URL of each process's Prometheus metrics.
        pids: Process ids by service.
    """

    api: str
    coap: list[str]
    kafka_bootstrap: str
    mongodb_uri: str
    mongodb_database: str
    app_id: str
    app_secret: str
    admin_user: str
    admin_password: str
    console: str | None = None
    mqtt: str | None = None
    mqtts: str | None = None
    mqtt_certificate: str | None = None
    downloads: str | None = None
    replicas: int = 1
    metrics: dict[str, str] = {}
    pids: dict[str, int] = {}


def write_private(path: Path, content: object) -> None:
    """Write JSON that only its owner may read, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    partial.replace(path)


def read(path: Path, kind: type[T]) -> T | None:
    """Read JSON; None if there is none, or none that can be understood."""
    with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
        return msgspec.json.decode(path.read_bytes(), type=kind)
    return None


def take(path: Path) -> TextIOWrapper | None:
    """Take the lock of a state folder until the returned file is closed; None if another process has it.

    The kernel releases it when its holder dies, however it dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
