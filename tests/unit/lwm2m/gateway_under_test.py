"""The gateway from datagrams to Kafka's messages, without sockets; its time is that of the event loop."""

import asyncio
from collections.abc import Callable

from tests.unit.lwm2m.application.images.server import SIGNER, TASK, FakeStore
from tests.unit.lwm2m.application.registration.world import World
from tests.unit.lwm2m.builders import T0
from tests.unit.lwm2m.fakes import FakeLink

from sluice_common.messages.lwm2m_commands import DeviceRequests, WritePackageUri
from sluice_common.tokens import ImageToken
from sluice_lwm2m.adapters.endpoint import Endpoint
from sluice_lwm2m.adapters.request_tasks import Limits
from sluice_lwm2m.application.images.access import ImageAccess
from sluice_lwm2m.application.images.image_server import ImageServer
from sluice_lwm2m.application.ports import RequestSender
from sluice_lwm2m.domain.coap.duplicates import Duplicates
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.session import Session

TRANSMISSION = Transmission(ack_timeout=8, max_retransmit=3, response_timeout=60)


class GatewayUnderTest(World):
    """All of it.

    Attributes:
        endpoint: Takes datagrams.
        asked: By token, the device that a request was made for.
    """

    def __init__(self, on_sent: Callable[[bytes, Peer], None]) -> None:
        """Prepare.

        Args:
            on_sent: Takes what is sent.
        """
        self.link = FakeLink(on_sent)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        super().__init__()
        self.notifications.ask_by(self.commands.renew_observation, self.commands.read_state)
        access = ImageAccess(
            sessions=self.sessions, revoked=(), signer=SIGNER, reporter=self.reporter, clock=self.clock
        )
        images = ImageServer(
            access=access,
            store=FakeStore(),
            tasks=self.tasks,
            default_exponent=6,
            reporter=self.reporter,
            responder=self.endpoint,
            counters=self.counters,
        )
        self.endpoint.serve(
            on_get=images.answer,
            on_check=self.interface.check,
            on_request=self.interface.answer,
            is_observed=self.notifications.is_observed,
            on_notification=self.notifications.take,
            on_unmatched=self.reporter.report_unmatched,
        )

    def request_sender(self) -> RequestSender:
        """Return the real one, which is listened to."""
        self.endpoint = Endpoint(
            self.link,
            TRANSMISSION,
            Limits(datagram=4_096, pending=100, handling=20),
            Duplicates(247, 10_000),
            self.counters,
            sessions=self.sessions,
            clock=self.clock,
        )
        self.asked: dict[bytes, str] = {}
        return self

    async def request(self, session: Session, message: Message, *, once: bool = False) -> Message:
        """Note for whom a request is, and send it."""
        self.asked[message.token] = session.record.device_id
        return await self.endpoint.exchanges.request(session, message, once=once)

    def abort(self, session: Session) -> None:
        """End the request in flight."""
        self.endpoint.exchanges.abort(session)

    def sign(self, command: DeviceRequests, request: WritePackageUri) -> str:
        """Return an image URI with a real token."""
        token = ImageToken(command.device_id, TASK, request.image_id, command.attempt, int(T0) + 100_000)
        return f"coap://example/fw/{SIGNER.sign(token)}"

    def clock(self) -> float:
        """Return the time."""
        return T0 + self._loop.time() - self._began

    async def take(self, datagram: bytes, remote: Peer) -> None:
        """Take a datagram and let everything happen that happens at once."""
        self.link.hear(datagram, remote)
        await settle()


async def settle() -> None:
    """Let everything happen that happens at once."""
    for _ in range(30):
        await asyncio.sleep(0)
