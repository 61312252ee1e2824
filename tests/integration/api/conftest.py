"""The API and its workers as processes on real Kafka and MongoDB; what other services would say is said on Kafka."""

import asyncio
import io
import itertools
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pymongo import MongoClient
from pymongo.database import Database as PyMongoDatabase

from sluice_common.bus import Producer
from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.package_events import PackageVerified
from sluice_common.settings import CommonSettings
from sluice_common.topics import PACKAGE_EVENTS, Topic
from sluice_embedded.adapters.sockets import free_base

PATIENCE = 30.0
APP, SECRET, ADMIN_PASSWORD = "first-app", "first-secret", "admin-password"
SEALING_KEY = "s" * 40
_LAST_PORT = itertools.count()
Found = TypeVar("Found")
Json = dict[str, Any]
Documents = PyMongoDatabase[Json]


def eventually(look: Callable[[], Found], seconds: float = PATIENCE) -> Found:
    """Return the first true answer."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{look} stayed {found!r}"
        time.sleep(0.1)


class Process:
    """One entry point as it is run in production."""

    def __init__(self, module: str, environment: dict[str, str], folder: Path) -> None:
        self._module = module
        self._folder = folder
        self._ready = folder / f"{module}-{new_id()}.ready"
        self._environment = {**os.environ, **environment, "SLUICE_READY_FILE": str(self._ready)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            argv = [sys.executable, "-m", f"sluice_api.entrypoints.{self._module}"]
            self._process = subprocess.Popen(argv, env=self._environment, stderr=log)  # noqa: S603 - our own program
        deadline = time.monotonic() + 2 * PATIENCE
        while not self._ready.exists():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; return its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(PATIENCE)
        self._process = None
        return status

    @property
    def runs(self) -> bool:
        """Return whether it has been started and not stopped."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def _log(self) -> Path:
        return self._folder / f"{self._module}.log"

    def log(self) -> str:
        """Return what it logged."""
        return self._log.read_text()


NewProcess = Callable[..., Process]


class Bus:
    """Kafka as the other services use it."""

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings

    def publish(self, topic: Topic, *keyed: tuple[str, Any], partition_key: str | None = None) -> None:
        """Publish messages under their keys."""

        async def send() -> None:
            producer = Producer(self._settings)
            await producer.start()
            try:
                for key, message in keyed:
                    await producer.publish(topic, key, message, partition_key=partition_key)
            finally:
                await producer.stop()

        asyncio.run(send())

    def put(self, topic: Topic, value: bytes) -> None:
        """Put bytes into a topic."""

        async def send() -> None:
            producer = Producer(self._settings)
            await producer.start()
            try:
                await producer._kafka.send_and_wait(topic.name, value=value, key=b"key", partition=0)  # noqa: SLF001
            finally:
                await producer.stop()

        asyncio.run(send())

    def read(self, topic: Topic) -> list[Any]:
        """Return all messages of a topic so far, decoded where it has a decoder; what tests broke is left out."""

        async def consume() -> list[Any]:
            partitions = [TopicPartition(topic.name, p) for p in range(self._settings.partitions)]
            consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.kafka_bootstrap, auto_offset_reset="earliest")
            await consumer.start()
            try:
                consumer.assign(partitions)
                ends = await consumer.end_offsets(partitions)
                found: list[Any] = []
                for partition, end in ends.items():
                    while await consumer.position(partition) < end:
                        batch = await consumer.getmany(partition, timeout_ms=1000)
                        found += [record for records in batch.values() for record in records]
                return found
            finally:
                await consumer.stop()

        records = asyncio.run(consume())
        if topic.decoder is None:
            return [record.value for record in records]
        messages: list[Any] = []
        for record in records:
            with suppress(BrokenMessageError):
                messages.append(topic.decoder.decode(record.value))
        return messages


@pytest.fixture(scope="package")
def environment(kafka: str, mongodb: str) -> dict[str, str]:
    """What every process of these tests shares."""
    return {
        "KAFKA_BOOTSTRAP": kafka,
        "MONGODB_URI": mongodb,
        "SLUICE_MONGODB_DATABASE": f"api_{new_id()}",
        "SLUICE_TOKEN_KEY": "k" * 40,
        "SLUICE_SEALING_KEYS": SEALING_KEY,
        "SLUICE_BOOTSTRAP_APP_ID": APP,
        "SLUICE_BOOTSTRAP_APP_SECRET": SECRET,
        "SLUICE_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "SLUICE_PACKAGE_LIMIT": str(8 * 1024 * 1024),
        "SLUICE_PROGRESS_INTERVAL": "0.5",
        "SLUICE_PROJECTOR_GATHER": "0.05",
    }


@pytest.fixture(scope="package")
def settings(environment: dict[str, str]) -> CommonSettings:
    """Settings of the tests' own clients."""
    return CommonSettings(
        kafka_bootstrap=environment["KAFKA_BOOTSTRAP"],
        mongodb_uri=environment["MONGODB_URI"],
        mongodb_database=environment["SLUICE_MONGODB_DATABASE"],
    )


@pytest.fixture(scope="package")
def bus(settings: CommonSettings) -> Bus:
    """Kafka."""
    return Bus(settings)


@pytest.fixture(scope="package")
def database(settings: CommonSettings) -> Iterator[Documents]:
    """The database that the processes share."""
    with MongoClient[Json](settings.mongodb_uri, tz_aware=True) as client:
        yield client[settings.mongodb_database]


@pytest.fixture(scope="package")
def new_process(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewProcess]:
    """Make processes; those that still run at the end are ended."""
    folder, made = tmp_path_factory.mktemp("api"), []

    def new(module: str, **extra: object) -> Process:
        process = Process(module, environment | {f"SLUICE_{k.upper()}": str(v) for k, v in extra.items()}, folder)
        made.append(process)
        process.start()
        return process

    yield new
    for process in made:
        if process.runs:
            process.stop()


@pytest.fixture(scope="package")
def base_url(new_process: NewProcess) -> str:
    """Address of the HTTP API."""
    port = free_base()
    new_process("http", api_port=port)
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="package")
def relay(new_process: NewProcess) -> Process:
    """The relay."""
    return new_process("relay", relay_page=20, relay_interval=0.05, relay_lease=2)


@pytest.fixture(scope="package")
def projector(new_process: NewProcess) -> Process:
    """The projector."""
    return new_process("projector")


def token(base_url: str, client_id: str, secret: str) -> str:
    """Return an access token."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    response = httpx.post(f"{base_url}/api/v1/oauth2/token", data=form)
    assert response.status_code == httpx.codes.OK, response.text
    return str(response.json()["access_token"])


def client_of(base_url: str, client_id: str, secret: str) -> httpx.Client:
    """Return a client that is logged in."""
    headers = {"Authorization": f"Bearer {token(base_url, client_id, secret)}"}
    return httpx.Client(base_url=f"{base_url}/api/v1", headers=headers, timeout=PATIENCE)


@pytest.fixture(scope="package")
def app(base_url: str) -> Iterator[httpx.Client]:
    """The first app."""
    with client_of(base_url, APP, SECRET) as client:
        yield client


@pytest.fixture(scope="package")
def admin(base_url: str) -> Iterator[httpx.Client]:
    """The administrator."""
    with client_of(base_url, "admin", ADMIN_PASSWORD) as client:
        yield client


@pytest.fixture(scope="package")
def stranger(base_url: str, admin: httpx.Client) -> Iterator[httpx.Client]:
    """Another app."""
    created = made(admin.post("/apps", json={"name": "stranger"}))
    with client_of(base_url, created["client_id"], created["client_secret"]) as client:
        yield client


def made(response: httpx.Response) -> Json:
    """Return the body of a response that says success."""
    assert response.is_success, response.text
    body: Json = response.json()
    return body


def refused(response: httpx.Response, status: int, code: str) -> Json:
    """Return the problem of a response that says refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: Json = response.json()
    assert problem["code"] == code, problem
    assert problem["status"] == status
    assert "Traceback" not in response.text
    return problem


def public_key() -> str:
    """Return a fresh public key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signed_zip(size: int = 1000) -> bytes:
    """Return a zip that may be uploaded; whether its signature holds is the signing service's question."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("image.bin", os.urandom(size))
    return archive.getvalue()


class Fleet:
    """A product with a verified package, a group and devices of one app."""

    def __init__(self, app: httpx.Client, bus: Bus, capable: bool = True) -> None:
        self.app = app
        self._bus = bus
        self.name = new_id()
        maintenance = {"firmware_upgrade": capable, "upgrade_protocol": "LWM2M"}
        self.product = made(
            app.post(
                "/products",
                json={
                    "manufacturer": self.name,
                    "model": "M1",
                    "device_type": "Meter",
                    "protocol": "LWM2M",
                    "maintenance": maintenance,
                },
            )
        )
        self.group = made(app.post("/groups", json={"name": self.name}))
        self.group_id: str = self.group["group_id"]

    def key(self, **fields: object) -> Json:
        """Add a public key of the manufacturer."""
        return made(self.app.post("/public-keys", json={"manufacturer": self.name, "pem": public_key()} | fields))

    def package(self, version: str = "2.0") -> Json:
        """Upload a package and let signing say that it is right."""
        key = self.key()
        fields = {"version": version, "product_id": self.product["product_id"]}
        package = made(self.app.post("/packages", data=fields, files={"file": ("p_signed.zip", signed_zip())}))
        self._bus.publish(PACKAGE_EVENTS, (package["package_id"], verified(package, key["key_id"])))
        return eventually(lambda: self._verified(package["package_id"]))

    def _verified(self, package_id: str) -> Json:
        package = made(self.app.get(f"/packages/{package_id}"))
        return package if package["status"] == "VERIFIED" else {}

    def devices(self, count: int, *, grouped: bool = True) -> list[str]:
        """Create devices; return their ids in order."""
        start = new_id()
        lines = "\n".join(
            f'{{"endpoint":"urn:{start}:{i}","product_id":"{self.product["product_id"]}",'
            f'"group_ids":{[self.group_id] if grouped else []},"tags":["{start}"]}}'.replace("'", '"')
            for i in range(count)
        )
        headers = {"Content-Type": "application/x-ndjson"}
        assert made(self.app.post("/devices/bulk", content=lines, headers=headers))["created"] == count
        page = made(self.app.get("/devices", params={"tag": start, "limit": 1000}))
        return [d["device_id"] for d in page["items"]]

    def task(self, package: Json, targets: Json | None = None, **policy: object) -> httpx.Response:
        """Ask for a task."""
        body = {
            "name": "task",
            "package_id": package["package_id"],
            "targets": targets or {"group_ids": [self.group_id]},
            "policy": policy,
        }
        return self.app.post("/tasks", json=body)


NewFleet = Callable[..., Fleet]


@pytest.fixture
def new_fleet(app: httpx.Client, bus: Bus, relay: Process, projector: Process) -> NewFleet:  # noqa: ARG001 - must run
    """Make fleets of the first app."""
    return lambda **options: Fleet(app, bus, **options)


def verified(package: Json, key_id: str) -> PackageVerified:
    """Return what signing says of a package that a key has verified."""
    return PackageVerified(
        app_id=APP,
        occurred_at=now(),
        package_id=package["package_id"],
        image_id=new_id(),
        image_name="image.bin",
        image_size=1000,
        image_sha256="ab" * 32,
        key_id=key_id,
        algorithm="ECDSA_P256+SHA256",
    )
