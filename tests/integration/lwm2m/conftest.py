"""A gateway process on real Kafka and MongoDB, and an LwM2M client made of aiocoap: an implementation not our own."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiocoap
import aiocoap.resource
import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.bus import Producer
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.base import now
from sluice_common.messages.codec import DEVICE_EVENTS as DEVICE_EVENTS_DECODER
from sluice_common.messages.codec import REGISTRATIONS as REGISTRATIONS_DECODER
from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.messages.device_events import CommandOutcome, DeviceUplink
from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequest, DeviceRequests
from sluice_common.messages.registrations import Registration
from sluice_common.mongo import Database, connect
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEAD_LETTERS, DEVICE_EVENTS, LWM2M_COMMANDS, REGISTRATIONS

os.environ["AIOCOAP_REUSE_PORT"] = "0"  # otherwise an earlier process would silently share a device's traffic
PATIENCE = 30.0
START = 90.0
APP = "app-1"


class GatewayProcess:
    """The gateway as it is run in production, on a UDP port of its own.

    Attributes:
        port: Its UDP port.
        ordinal: Its ordinal.
    """

    def __init__(self, environment: dict[str, str], folder: Path, ordinal: int, **settings: object) -> None:
        self.port = free_udp_port()
        self.ordinal = ordinal
        self._folder = folder
        self._ready = folder / f"ready-{self.port}"
        extra = {f"SLUICE_LWM2M_{name.upper()}": str(value) for name, value in settings.items()}
        self._environment = {
            **os.environ,
            **environment,
            "SLUICE_READY_FILE": str(self._ready),
            "SLUICE_LWM2M_PORT": str(self.port),
            "SLUICE_LWM2M_ORDINAL": str(ordinal),
            **extra,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._ready.unlink(missing_ok=True)
        with (self._folder / f"gateway-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sluice_lwm2m.entrypoints.gateway"], env=self._environment, stderr=log
            )
        deadline = time.monotonic() + START
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

    def log(self) -> str:
        """Return what it logged."""
        return (self._folder / f"gateway-{self.port}.log").read_text()

    @property
    def uri(self) -> str:
        """Its CoAP URI."""
        return f"coap://127.0.0.1:{self.port}"


def free_udp_port() -> int:
    """Return a port below those that systems give out by themselves."""
    ports = list(range(26_000, 32_000))
    random.shuffle(ports)
    for port in ports:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@pytest.fixture(scope="module")
def environment(kafka: str, mongodb: str, database_name: str) -> dict[str, str]:
    """What every gateway of the module shares."""
    return {
        "KAFKA_BOOTSTRAP": kafka,
        "MONGODB_URI": mongodb,
        "SLUICE_MONGODB_DATABASE": database_name,
        "SLUICE_TOKEN_KEY": "k" * 40,
    }


@pytest.fixture(scope="module")
def settings(environment: dict[str, str]) -> CommonSettings:
    """Settings of the test's own clients."""
    return CommonSettings(
        kafka_bootstrap=environment["KAFKA_BOOTSTRAP"],
        mongodb_uri=environment["MONGODB_URI"],
        mongodb_database=environment["SLUICE_MONGODB_DATABASE"],
    )


NewGateway = Callable[..., GatewayProcess]
_ordinals = iter(range(12))


@pytest.fixture(scope="module")
def new_gateway(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewGateway]:
    """Make gateways; they are started, each has an ordinal of its own unless one is given."""
    made: list[GatewayProcess] = []
    folder = tmp_path_factory.mktemp("gateways")

    def make(ordinal: int | None = None, **settings: object) -> GatewayProcess:
        chosen = next(_ordinals) if ordinal is None else ordinal
        gateway = GatewayProcess(environment, folder, chosen, ack_timeout=0.5, max_retransmit=2, **settings)
        made.append(gateway)
        gateway.start()
        return gateway

    yield make
    for gateway in made:
        if gateway.runs:
            assert gateway.stop() == 0
        assert "Traceback" not in gateway.log()


@pytest_asyncio.fixture
async def database(settings: CommonSettings) -> AsyncIterator[Database]:
    """The module's database."""
    database = connect(settings)
    yield database
    database.client.close()


class Firmware(aiocoap.resource.ObservableResource):  # type: ignore[misc] # untyped library
    """`/5/0/3` as text; a notification per change."""

    def __init__(self) -> None:
        super().__init__()
        self.state = 0
        self.observers = 0

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        """Answer with the state."""
        return aiocoap.Message(payload=str(self.state).encode(), content_format=0)

    def update_observation_count(self, newcount: int) -> None:
        """Note how many observe."""
        self.observers = newcount

    def become(self, state: int) -> None:
        """Change the state and notify."""
        self.state = state
        self.updated_state()


class Value(aiocoap.resource.Resource):  # type: ignore[misc] # untyped library
    """A resource that answers reads as told and notes what is written or executed."""

    def __init__(self, payload: bytes = b"", content_format: int | None = 0) -> None:
        super().__init__()
        self.payload = payload
        self.content_format = content_format
        self.written: list[bytes] = []
        self.executed: list[bytes] = []
        self.delay = 0.0
        self.refusal: aiocoap.Code | None = None
        self.requests: list[aiocoap.Message] = []

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        """Answer a Read."""
        self.requests.append(request)
        await asyncio.sleep(self.delay)
        return aiocoap.Message(payload=self.payload, content_format=self.content_format)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        """Take a Write."""
        self.written.append(request.payload)
        return aiocoap.Message(code=self.refusal or aiocoap.CHANGED)

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        """Take an Execute."""
        self.executed.append(request.payload)
        return aiocoap.Message(code=aiocoap.CHANGED)


class _Answers(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.datagrams = asyncio.Queue[bytes]()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the protocol's signature
        """Keep it."""
        self.datagrams.put_nowait(data)


class Device:
    """An LwM2M client on a socket of its own.

    Attributes:
        device_id: Its id at the platform.
        endpoint: Its endpoint client name.
        location: Path that its registration got.
    """

    def __init__(self, gateway: GatewayProcess, device_id: str, endpoint: str) -> None:
        self.gateway = gateway
        self.device_id = device_id
        self.endpoint = endpoint
        self.location: tuple[str, ...] = ()
        self.firmware = Firmware()
        self.version = Value(b"1.0")
        self.signal = Value(b"\xe1\x02\xa7", 11542)
        self.package_uri = Value()
        self.update_resource = Value()
        self._context: Any = None

    async def open(self) -> None:
        """Open a socket, a new one if there was one: the device restarted or its NAT binding changed."""
        await self.close()
        site = aiocoap.resource.Site()
        site.add_resource(["3", "0", "3"], self.version)
        site.add_resource(["4", "0"], self.signal)
        site.add_resource(["5", "0", "1"], self.package_uri)
        site.add_resource(["5", "0", "2"], self.update_resource)
        site.add_resource(["5", "0", "3"], self.firmware)
        bind = ("127.0.0.1", free_udp_port())
        self._context = await aiocoap.Context.create_server_context(site, bind=bind, transports=["udp6"])

    async def close(self) -> None:
        """Fall silent."""
        if self._context is not None:
            await self._context.shutdown()
            self._context = None

    async def request(self, code: Any, path: str, payload: bytes = b"", **options: Any) -> aiocoap.Message:
        """Send a request to the gateway."""
        message = aiocoap.Message(code=code, uri=self.gateway.uri + path, payload=payload, **options)
        async with asyncio.timeout(PATIENCE):
            return await self._context.request(message).response

    async def single(self, message: aiocoap.Message) -> aiocoap.Message:
        """Send one request without putting blocks together."""
        async with asyncio.timeout(PATIENCE):
            return await self._context.request(message, handle_blockwise=False).response

    async def send_raw(self, *datagrams: bytes) -> list[bytes]:
        """Send datagrams from one other address, each after the answer to the one before; return the answers."""
        transport, answers = await asyncio.get_running_loop().create_datagram_endpoint(
            _Answers, remote_addr=("127.0.0.1", self.gateway.port)
        )
        received = []
        for datagram in datagrams:
            transport.sendto(datagram)
            received.append(await asyncio.wait_for(answers.datagrams.get(), PATIENCE))
        transport.close()
        return received

    async def register(self, query: str = "lt=300&lwm2m=1.0&b=U", objects: bytes = b"</3/0>,</4/0>,</5/0>") -> None:
        """Register."""
        response = await self.request(aiocoap.POST, f"/rd?ep={self.endpoint}&{query}", objects, content_format=40)
        assert response.code == aiocoap.CREATED, response
        self.location = response.opt.location_path

    async def update(self, query: str = "") -> aiocoap.Message:
        """Update the registration."""
        return await self.request(aiocoap.POST, f"/{'/'.join(self.location)}{query}")


NewDevice = Callable[[GatewayProcess], Awaitable[Device]]


@pytest_asyncio.fixture
async def new_device(database: Database) -> AsyncIterator[NewDevice]:
    """Make devices that the platform knows, each with an open socket."""
    made: list[Device] = []

    async def make(gateway: GatewayProcess) -> Device:
        device_id = new_id()
        endpoint = f"urn:imei:{device_id}"
        await database["devices"].insert_one({"_id": device_id, "app_id": APP, "endpoint": endpoint, "product_id": "p"})
        device = Device(gateway, device_id, endpoint)
        await device.open()
        made.append(device)
        return device

    yield make
    for device in made:
        await device.close()


class Platform:
    """The rest of the platform: sends commands, reads what the gateway publishes."""

    def __init__(self, settings: CommonSettings) -> None:
        self.producer = Producer(settings)
        self._partitions = settings.partitions
        self._consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
        self._events: list[Any] = []
        self._dead: list[DeadLetter] = []
        self._task: asyncio.Task[None] | None = None
        self.task_id = new_id()

    async def start(self) -> None:
        """Connect, at the end of the topics."""
        await self.producer.start()
        await self._consumer.start()
        topics = (DEVICE_EVENTS, REGISTRATIONS, DEAD_LETTERS)
        self._consumer.assign([TopicPartition(t.name, n) for t in topics for n in range(self._partitions)])
        await self._consumer.seek_to_end()
        self._task = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """Disconnect."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()
        await self.producer.stop()

    async def _read(self) -> None:
        async for record in self._consumer:
            if record.topic == DEAD_LETTERS.name:
                self._dead.append(msgspec.json.decode(record.value, type=DeadLetter))
                continue
            registration = record.topic == REGISTRATIONS.name
            decoder = REGISTRATIONS_DECODER if registration else DEVICE_EVENTS_DECODER
            self._events.append(decoder.decode(record.value))

    async def dead_letter(self, source_topic: str) -> DeadLetter:
        """Return the newest dead letter of a topic."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if found := [d for d in self._dead if d.source_topic == source_topic]:
                    return found[-1]
                await asyncio.sleep(0.01)

    def events(self, device: Device, kind: Any = object) -> list[Any]:
        """Return what has been published of a device so far."""
        return [e for e in self._events if e.device_id == device.device_id and isinstance(e, kind)]

    def registration(self, device: Device) -> Registration:
        """Return a device's newest registration in Kafka."""
        record: Registration = self.events(device, Registration)[-1]
        return record

    def execution(self, device: Device) -> str:
        """Return the id of the device's execution."""
        return execution_id(self.task_id, device.device_id)

    async def wait_for(self, device: Device, event: Any, /, count: int = 1, **expected: object) -> Any:
        """Return the `count`-th event of a kind with these fields; fails when it does not come."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = [e for e in self.events(device, event) if all(getattr(e, k) == v for k, v in expected.items())]
                if len(found) >= count:
                    return found[count - 1]
                await asyncio.sleep(0.01)

    async def command(
        self, device: Device, *requests: DeviceRequest, attempt: int = 1, seconds: float = 30.0, **changes: Any
    ) -> DeviceRequests:
        """Send requests to a device as the scheduler does."""
        uplink: DeviceUplink = self.events(device, DeviceUplink)[-1]
        fields: dict[str, Any] = {
            "app_id": APP,
            "occurred_at": now(),
            "device_id": device.device_id,
            "command_id": new_id(),
            "execution_id": self.execution(device),
            "attempt": attempt,
            "epoch": uplink.epoch,
            "expires_at": now() + timedelta(seconds=seconds),
            "requests": requests,
        }
        command = DeviceRequests(**{**fields, **changes})
        await self.send(device, command)
        return command

    async def send(self, device: Device, command: DeviceRequests | CloseDownload) -> None:
        """Publish a command to the gateway that owns the device."""
        await self.producer.publish(LWM2M_COMMANDS, command.device_id, command, partition=device.gateway.ordinal)

    async def ask(self, device: Device, *requests: DeviceRequest, **changes: Any) -> CommandOutcome:
        """Send requests to a device and return the outcome."""
        command = await self.command(device, *requests, **changes)
        return await self.outcome(device, command)

    async def outcome(self, device: Device, command: DeviceRequests | CloseDownload) -> CommandOutcome:
        """Return the outcome of a command."""
        outcome: CommandOutcome = await self.wait_for(device, CommandOutcome, command_id=command.command_id)
        return outcome

    async def close(self, device: Device, attempt: int = 1) -> CommandOutcome:
        """Fence an attempt and return the outcome."""
        command = CloseDownload(
            app_id=APP,
            occurred_at=now(),
            device_id=device.device_id,
            command_id=new_id(),
            execution_id=self.execution(device),
            attempt=attempt,
        )
        await self.send(device, command)
        return await self.outcome(device, command)


@pytest_asyncio.fixture
async def platform(settings: CommonSettings) -> AsyncIterator[Platform]:
    """The rest of the platform."""
    platform = Platform(settings)
    await platform.start()
    yield platform
    await platform.stop()
