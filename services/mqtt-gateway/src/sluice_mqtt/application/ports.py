"""What the application needs of the world around it; the adapters provide it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from sluice_common.messages.base import Message
from sluice_mqtt.domain.device import KnownDevice


class StoreUnavailableError(Exception):
    """The database cannot answer, or lacks a part of what it should hold."""


class ConnectionLostError(ConnectionError):
    """The connection to the broker has ended, or the broker refuses it."""


class Devices(Protocol):
    """Devices by id."""

    async def find(self, device_id: str) -> KnownDevice | None:
        """Return the device for its app, or None if there is none; waits for the database as long as it takes."""

    async def find_unknown(self, device_ids: Iterable[str]) -> set[str]:
        """Return those that there are not, or not any more.

        Raises:
            StoreUnavailableError: The database cannot answer.
        """

    async def find_secret(self, device_id: str) -> bytes | None:
        """Return the secret of a device, which may be some seconds old; None if there is none.

        Raises:
            StoreUnavailableError: The database cannot answer.
        """

    async def find_secret_anew(self, device_id: str) -> bytes | None:
        """Return the secret of a device as it is now; None if there is none.

        Raises:
            StoreUnavailableError: The database cannot answer.
        """


class DeviceEvents(Protocol):
    """The topic `device-events`."""

    async def publish(self, device_id: str, events: Sequence[Message]) -> None:
        """Return when Kafka has the events, in their order, however long that takes."""


class DeadLetters(Protocol):
    """The topic `dead-letters`."""

    async def dead_letter(self, topic: str, payload: bytes, reason: str) -> None:
        """Return when Kafka has the message, however long that takes."""


class Images(Protocol):
    """Images, in chunks."""

    async def chunk_size(self, image_id: str, size: int) -> int:
        """Return the bytes of each chunk of an image of `size` bytes, but the last.

        Raises:
            StoreUnavailableError: There is no such image, or the database cannot answer.
        """

    async def envelope(self, image_id: str) -> bytes | None:
        """Return the envelope that signs an image, None if there is none.

        Raises:
            StoreUnavailableError: The database cannot answer.
        """

    async def chunk(self, image_id: str, number: int) -> bytes:
        """Return a chunk; the first has number 0.

        Raises:
            StoreUnavailableError: It is missing, or the database cannot answer.
        """


class Broker(Protocol):
    """The connection to the broker."""

    async def publish(self, topic: str, payload: bytes, expiry: int) -> None:
        """Return when the broker has the message; it drops it after `expiry` seconds.

        Raises:
            ConnectionLostError: The connection ended first; the broker may have the message or not.
        """
