"""What the application needs from outside: adapters implement it, unit tests fake it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import msgspec

from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.device_events import DeviceEvent
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.messages.lwm2m_commands import Lwm2mCommand
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.image import Image
from sluice_lwm2m.domain.session import Session


class Publisher(Protocol):
    """Publishes to the platform; each method returns when Kafka has the message and raises if it does not take it."""

    async def publish_event(self, event: DeviceEvent) -> None:
        """Publish what happened at a device, for the scheduler."""

    async def publish_registration(self, registration: Registration) -> None:
        """Publish a registration as it is now, for a restart of this gateway and for the others."""

    async def publish_activity(self, seen: DevicesSeen) -> None:
        """Publish which devices have spoken, for people."""

    async def publish_claim(self, claim: GatewayClaim) -> None:
        """Publish which process has an ordinal, for the others."""


class ForgottenDevice(NamedTuple):
    """A device that the platform has deleted: a tombstone among the registrations."""

    device_id: str


class RegistrationLog(Protocol):
    """The registrations of all gateways."""

    async def read(self, take: Callable[[Registration | ForgottenDevice], Awaitable[None]]) -> None:
        """Hand over what is there now, in the order of each device."""

    async def follow(self, take: Callable[[Registration | ForgottenDevice], Awaitable[None]]) -> None:
        """Hand over what comes after that, until cancelled; up to a second late."""


class ClaimLog(Protocol):
    """The claims of all gateways."""

    async def read(self, take: Callable[[GatewayClaim], Awaitable[None]]) -> None:
        """Hand over what is there now, in the order of each ordinal."""

    async def follow(self, take: Callable[[GatewayClaim], Awaitable[None]]) -> None:
        """Hand over what comes after that, until cancelled."""


class UnansweredError(Exception):
    """A message is dropped, as if it were lost: the device repeats it (RFC 7252 §4.2), unless it was acknowledged."""


class NoAnswerError(Exception):
    """The device did not answer in time or rejected the request with Reset, or the request was aborted."""


class RequestSender(Protocol):
    """Sends Confirmable requests, one at a time per device (NSTART is 1, RFC 7252 §4.7)."""

    async def request(self, session: Session, message: Message, *, once: bool = False) -> Message:
        """Send a request, repeat it until it is acknowledged unless it is sent once only, and return the response.

        Raises:
            NoAnswerError: There is none, or the device's address or registration has ended.
        """

    def abort(self, session: Session) -> None:
        """End the request in flight to a device, if there is one, with `NoAnswerError`."""


class Responder(Protocol):
    """Answers requests at once and forgets them."""

    def respond(self, request: Message, remote: Peer, code: int, options: bytes = b"", payload: bytes = b"") -> None:
        """Send the response to a request.

        Args:
            request: What is answered.
            remote: Its sender.
            code: Response code.
            options: Encoded.
            payload: Body.
        """


class KnownDevice(msgspec.Struct, frozen=True):
    """A device that the platform knows."""

    device_id: str
    app_id: str


class DirectoryBusyError(Exception):
    """Too many names are being looked up: what needs no look-up must go on, whatever is wrong with the database."""


class DeviceDirectory(Protocol):
    """The devices that the platform knows."""

    async def find(self, endpoint: str) -> KnownDevice | None:
        """Return the device with an endpoint client name, None if there is none.

        Raises:
            DirectoryBusyError: Too many wait for an answer.
        """

    def was_found(self, endpoint: str) -> bool:
        """Return whether a device with an endpoint client name was found before, as far as is remembered."""


class ImageStore(Protocol):
    """Images by id, and their chunks by number; the most recently used are in memory."""

    def image(self, image_id: str) -> Image | None:
        """Return an image that is in memory."""

    def chunk(self, image_id: str, number: int) -> bytes | None:
        """Return a chunk that is in memory."""

    async def load_image(self, image_id: str) -> bool:
        """Read what is known of an image into memory; return False if there is none that can be served."""

    async def load_chunk(self, image_id: str, number: int) -> bool:
        """Read a chunk of an image in memory; return False if it is not there or not as long as it should be."""


class ReceivedCommand(msgspec.Struct, frozen=True):
    """A record of the command log.

    Attributes:
        offset: Where it stands.
        command: What it says; None if it could not be decoded and is a dead letter.
    """

    offset: int
    command: Lwm2mCommand | None


class CommandLog(Protocol):
    """The commands for this gateway's devices, in order."""

    async def start(self) -> int:
        """Connect; return the offset at which reading goes on."""

    async def stop(self) -> None:
        """Disconnect."""

    async def backlog(self) -> list[ReceivedCommand]:
        """Return what was there before this process started: one before it may have worked on it."""

    async def read(self, max_records: int) -> list[ReceivedCommand]:
        """Return the next commands; none if none came within a second."""

    async def commit(self, offset: int) -> None:
        """Let a restart begin at an offset."""
