"""A gateway at a real broker, on real Kafka and MongoDB, and devices made of gmqtt over MQTT 3.1.1."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from gmqtt import Client
from gmqtt.mqtt.constants import MQTTv311

from sluice_common.bus import Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.base import now
from sluice_common.messages.codec import DEVICE_EVENTS as DECODER
from sluice_common.messages.mqtt_commands import CloseDownload, MqttCommand, OfferFirmware, QueryVersion
from sluice_common.messages.snapshots import PackageSnapshot
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket, connect
from sluice_common.sealing import Sealer
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEVICE_EVENTS, MQTT_COMMANDS
from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack, secrets_of
from sluice_mqtt.domain.login import password_for

PATIENCE = 60.0
APP = "app-1"
T = TypeVar("T")


class System:
    """The parts that run, and what tests need of them.

    Attributes:
        stack: The parts.
        settings: Settings of the test's own clients.
        sealer: Seals secrets as the API does.
    """

    def __init__(self, stack: Stack, embedded: EmbeddedSettings) -> None:
        self.stack = stack
        self.port = embedded.port_base + 20
        self.downloads = f"http://127.0.0.1:{embedded.port_base + 30}"
        self.settings = CommonSettings(
            kafka_bootstrap=stack.endpoints.kafka_bootstrap,
            mongodb_uri=stack.endpoints.mongodb_uri,
            mongodb_database=stack.endpoints.mongodb_database,
        )
        self.sealer = Sealer([secrets_of(embedded).sealing_key])
        self.log = embedded.logs / "mqtt-gateway.log"


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Kafka, MongoDB, the broker and one gateway, for all tests of this folder."""
    own = {"kafka_bootstrap": None, "mongodb_uri": None, "mqtt_url": None}
    settings = EmbeddedSettings(state_dir=tmp_path_factory.mktemp("mqtt-gateway"), port_base=free_base(), **own)
    env = {"SLUICE_MQTT_HEARTBEAT_INTERVAL": "2", "SLUICE_MQTT_DEVICE_TTL": "2"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_BROKER_LIST_INTERVAL_MS", "3000")
        with Stack(settings, services={"kafka", "mongodb", "mqtt", "mqtt-gateway"}, env=env) as stack:
            yield System(stack, settings)


async def until(get: Callable[[], Awaitable[T | None]], patience: float = PATIENCE) -> T:
    """Return what is there at last."""
    deadline = time.monotonic() + patience
    while (found := await get()) is None:
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.05)
    return found


class Device:
    """An MQTT device, as Huawei's SDKs are: clean session, no subscription of its own.

    Attributes:
        device_id: Its id.
        secret: Its secret.
        received: Services of the messages that came.
    """

    def __init__(self, system: System, device_id: str, secret: bytes) -> None:
        self.device_id = device_id
        self.secret = secret
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._system = system
        self._client: Any = None

    async def connect(self, password: str | None = None, mode: int = 1) -> None:
        """Log in.

        Raises:
            MQTTConnectError: The broker refuses.
        """
        hour = datetime.now(UTC).strftime("%Y%m%d%H")
        client = Client(f"{self.device_id}_0_{mode}_{hour}", clean_session=True)
        client.set_config({"reconnect_retries": -2})
        client.set_auth_credentials(self.device_id, password or password_for(self.secret, hour))
        client.on_message = self._take
        try:
            async with asyncio.timeout(PATIENCE):
                await client.connect("127.0.0.1", self._system.port, version=MQTTv311)
        except BaseException:
            if client._connection is not None:  # noqa: SLF001 - gmqtt forgets the connection of a refused log-in
                client._connection._transport.abort()  # noqa: SLF001 - as above
            raise
        self._client = client

    async def come_back(self) -> None:
        """Connect again and again until the broker lets it in."""

        async def attempt() -> bool | None:
            try:
                async with asyncio.timeout(5):
                    await self.connect()
            except (OSError, TimeoutError):
                return None
            return True

        await until(attempt)

    async def disconnect(self) -> None:
        """Leave."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.disconnect()

    @property
    def is_connected(self) -> bool:
        """Return whether the broker has not ended the connection."""
        return self._client is not None and bool(self._client.is_connected)

    def send(self, payload: bytes, topic: str | None = None) -> None:
        """Publish bytes."""
        self._client.publish(topic or f"$oc/devices/{self.device_id}/sys/events/up", payload, qos=1)

    def report(self, event_type: str, **paras: Any) -> None:
        """Report on `sys/events/up`."""
        service = {"service_id": "$ota", "event_type": event_type, "event_time": "20261122T121212Z", "paras": paras}
        self.send(json.dumps({"object_device_id": self.device_id, "services": [service]}).encode())

    async def told(self) -> dict[str, Any]:
        """Return the next service that the device is told of."""
        async with asyncio.timeout(PATIENCE):
            return await self.received.get()

    async def _take(self, _client: Any, _topic: str, payload: bytes, *_: Any) -> int:
        for service in json.loads(payload)["services"]:
            self.received.put_nowait(service)
        return 0


class Bus:
    """Commands in, events out."""

    def __init__(self, system: System) -> None:
        self._producer = Producer(system.settings)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=system.settings.kafka_bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        self._partitions = [TopicPartition(DEVICE_EVENTS.name, n) for n in range(system.settings.partitions)]
        self._events: list[Any] = []
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_beginning(*self._partitions)
        self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """Disconnect."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()

    async def _read(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=200)
            self._events += [DECODER.decode(record.value) for batch in batches.values() for record in batch]

    async def command(self, command: MqttCommand) -> None:
        """Send a command."""
        await self._producer.publish(MQTT_COMMANDS, command.device_id, command)

    def of(self, device: Device, kind: type[T]) -> list[T]:
        """Return the events of a device of one kind."""
        return [e for e in self._events if e.device_id == device.device_id and isinstance(e, kind)]

    async def wait(self, device: Device, kind: type[T], number: int = 1) -> list[T]:
        """Return a device's events of a kind, once there are enough."""

        async def enough() -> list[T] | None:
            found = self.of(device, kind)
            return found if len(found) >= number else None

        return await until(enough)


@pytest_asyncio.fixture
async def bus(system: System) -> AsyncIterator[Bus]:
    """Kafka, from the test's side."""
    bus = Bus(system)
    await bus.start()
    yield bus
    await bus.stop()


@pytest.fixture
def database(system: System) -> Iterator[Database]:
    """The platform's database."""
    database = connect(system.settings)
    yield database
    database.client.close()


NewDevice = Callable[[], Awaitable[Device]]


@pytest_asyncio.fixture
async def new_device(system: System, database: Database) -> AsyncIterator[NewDevice]:
    """Create devices as the API does; they are disconnected at the end."""
    made: list[Device] = []

    async def make() -> Device:
        device = Device(system, new_id(), new_id().encode())
        sealed = system.sealer.seal(device.secret)
        document = {"_id": device.device_id, "app_id": APP, "endpoint": device.device_id, "mqtt_secret": sealed}
        await database["devices"].insert_one(document)
        made.append(device)
        return device

    yield make
    for device in made:
        await device.disconnect()


@pytest_asyncio.fixture
async def device(new_device: NewDevice) -> Device:
    """A device that is not connected yet."""
    return await new_device()


@pytest_asyncio.fixture
async def image(database: Database) -> tuple[str, bytes]:
    """Id and bytes of a stored image, three and a half chunks."""
    image_id, data = new_id(), bytes(range(256)) * 3570
    await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image_id, "image.bin", data)
    return image_id, data


def fetch(paras: dict[str, Any], **headers: str) -> httpx.Response:
    """Do what a device does with an offer."""
    return httpx.get(paras["url"], headers={"Authorization": f"Bearer {paras['access_token']}"} | headers)


def query(device: Device) -> QueryVersion:
    """Return a command that asks for the version."""
    return QueryVersion(
        app_id=APP,
        occurred_at=now(),
        device_id=device.device_id,
        command_id=new_id(),
        execution_id=execution_id(new_id(), device.device_id),
        attempt=1,
        expires_at=now() + timedelta(minutes=3),
    )


def offer(device: Device, image: tuple[str, bytes], task_id: str, attempt: int = 1, **more: Any) -> OfferFirmware:
    """Return a command that offers an image."""
    package = PackageSnapshot(
        package_id=new_id(), version="2.0", image_id=image[0], image_size=len(image[1]), image_sha256="5f" * 32
    )
    return OfferFirmware(
        app_id=APP,
        occurred_at=now(),
        device_id=device.device_id,
        command_id=new_id(),
        execution_id=execution_id(task_id, device.device_id),
        attempt=attempt,
        expires_at=now() + timedelta(minutes=3),
        package=package,
        not_after=now() + timedelta(hours=1),
        **more,
    )


def close(device: Device, task_id: str, attempt: int = 1) -> CloseDownload:
    """Return a command that closes an attempt."""
    return CloseDownload(
        app_id=APP,
        occurred_at=now(),
        device_id=device.device_id,
        command_id=new_id(),
        execution_id=execution_id(task_id, device.device_id),
        attempt=attempt,
    )
