"""Fakes of what the gateway talks to."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiokafka.errors import KafkaTimeoutError

from sluice_common.messages.base import Message
from sluice_common.messages.dead_letters import DeadLetter
from sluice_mqtt.application.ports import StoreUnavailableError
from sluice_mqtt.domain.device import KnownDevice


class FakeEvents:
    """The topic `device-events`.

    Attributes:
        published: What was published.
        publications: How often something was.
        begun: Set when the first publication has begun.
        delays: Seconds that the next publications take, the last one first.
    """

    def __init__(self) -> None:
        self.published: list[Any] = []
        self.publications = 0
        self.begun = asyncio.Event()
        self.delays: list[float] = []

    async def publish(self, _device_id: str, events: Sequence[Message]) -> None:
        """Publish events."""
        self.publications += 1
        self.begun.set()
        await asyncio.sleep(self.delays.pop() if self.delays else 0.0)
        self.published += events


class FakeDeadLetters:
    """The topic `dead-letters`: `published` has topic, payload and reason."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, str]] = []

    async def dead_letter(self, topic: str, payload: bytes, reason: str) -> None:
        """Publish a message."""
        self.published.append((topic, payload, reason))


class FakeDevices:
    """Devices by id.

    Attributes:
        secrets: Their secrets.
        stale: Secrets that `find_secret` returns instead.
        failure: What look-ups raise.
        delays: Seconds that the next look-ups take, the last one first.
    """

    def __init__(self, **secrets: bytes | None) -> None:
        self.secrets = secrets
        self.stale: dict[str, bytes | None] = {}
        self.failure: Exception | None = None
        self.delays: list[float] = []

    async def find(self, device_id: str) -> KnownDevice | None:
        """Return the device."""
        await asyncio.sleep(self.delays.pop() if self.delays else 0.0)
        if self.failure is not None:
            raise self.failure
        return KnownDevice(device_id, "app") if device_id in self.secrets else None

    async def find_unknown(self, device_ids: Iterable[str]) -> set[str]:
        """Return those that there are not."""
        return {device_id for device_id in device_ids if await self.find(device_id) is None}

    async def find_secret(self, device_id: str) -> bytes | None:
        """Return its secret, or the stale one."""
        return self.stale[device_id] if device_id in self.stale else await self.find_secret_anew(device_id)

    async def find_secret_anew(self, device_id: str) -> bytes | None:
        """Return its secret."""
        await self.find(device_id)  # may fail
        return self.secrets.get(device_id)


IMAGE_ID = "1" * 24


class FakeImages:
    """One image in memory, `IMAGE_ID`.

    Attributes:
        data: Its bytes.
        size: Bytes of each chunk.
        gate: Chunks from number `gated` on wait until it is set.
        gated: The first chunk that waits.
        on_chunk_size: Called when a download is prepared.
        signed_by: The envelope that signs it.
        is_away: Whether the envelope cannot be read.
    """

    def __init__(self, data: bytes, chunk_size: int) -> None:
        self.data = data
        self.size = chunk_size
        self.gate = asyncio.Event()
        self.gate.set()
        self.gated = 1_000_000
        self.on_chunk_size: Callable[[], None] = lambda: None
        self.signed_by: bytes | None = b"{envelope}"
        self.is_away = False

    async def chunk_size(self, image_id: str, _size: int) -> int:
        """Return the size of chunks."""
        if image_id != IMAGE_ID:
            raise StoreUnavailableError("no image")
        self.on_chunk_size()
        return self.size

    async def envelope(self, image_id: str) -> bytes | None:
        """Return the envelope, which is there unless it is taken away."""
        assert image_id == IMAGE_ID
        if self.is_away:
            raise StoreUnavailableError("away")
        return self.signed_by

    async def chunk(self, _image_id: str, number: int) -> bytes:
        """Return a chunk."""
        if number >= self.gated:
            await self.gate.wait()
        return self.data[number * self.size : (number + 1) * self.size]


class FakeProducer:
    """A producer that fails some times first.

    Attributes:
        failures: How many more times it fails.
        silences: How many more messages Kafka never acknowledges.
        error: What it raises always.
        sent: Keys and messages.
        dead_letters: Topic, partition, offset, key, value and reason.
    """

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.silences = 0
        self.error: Exception | None = None
        self.sent: list[tuple[str, Any]] = []
        self.dead_letters: list[DeadLetter] = []

    async def send(self, _topic: object, key: str, message: Any) -> asyncio.Future[None]:
        """Send a message."""
        self._fail()
        self.sent.append((key, message))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.silences:
            self.silences -= 1
        else:
            future.set_result(None)
        return future

    async def send_dead_letter(self, letter: DeadLetter) -> None:
        """Publish a dead letter."""
        self._fail()
        self.dead_letters.append(letter)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error
        if self.failures:
            self.failures -= 1
            raise KafkaTimeoutError
