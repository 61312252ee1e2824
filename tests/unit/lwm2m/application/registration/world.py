"""A gateway that devices can register at, without sockets."""

import asyncio

from tests.unit.lwm2m.application_under_test import Application
from tests.unit.lwm2m.fakes import FakeDirectory

from sluice_lwm2m.application.registration.interface import RegistrationInterface
from sluice_lwm2m.application.registration.lifecycle import RegistrationLifecycle
from sluice_lwm2m.application.registration.strangers import Strangers
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.assembly import Assembly
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.request_response import Response
from sluice_lwm2m.domain.refusal_limit import RefusalLimit
from sluice_lwm2m.domain.registering import LifetimeBounds

LIFETIME = 100
CHECK_INTERVAL = 50
MAX_UNKNOWN, MAX_UNKNOWN_PER_HOST = 0.5, 2.0
REMOTE = Peer(("10.0.0.1", 5683))


class World(Application):
    """The application with its registration interface."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = FakeDirectory()
        self.lifecycle = RegistrationLifecycle(
            gateway=0,
            sessions=self.sessions,
            mailbox=self.mailbox,
            directory=self.directory,
            store=self.store,
            publisher=self.publisher,
            reporter=self.reporter,
            commands=self.commands,
            tasks=self.tasks,
            check_interval=CHECK_INTERVAL,
            counters=self.counters,
            clock=self.clock,
        )
        self.interface = RegistrationInterface(
            bounds=LifetimeBounds(LIFETIME, 1, 1_000),
            lifecycle=self.lifecycle,
            strangers=Strangers(
                directory=self.directory,
                per_address=RefusalLimit(MAX_UNKNOWN),
                per_host=RefusalLimit(MAX_UNKNOWN_PER_HOST),
                counters=self.counters,
                clock=self.clock,
            ),
            assembly=Assembly(max_bodies=10, max_bytes=200, lifetime=60),
            sessions=self.sessions,
            mailbox=self.mailbox,
            reporter=self.reporter,
            counters=self.counters,
            clock=self.clock,
        )

    async def answer(self, request: Message, remote: Peer) -> Response:
        """Return what a request is answered."""
        return self.interface.check(request, remote) or await self.interface.answer(request, remote)

    async def register_over_coap(self, device_id: str = "d", remote: Peer = REMOTE) -> str:
        """Let a device register; return the location that it gets."""
        options = ((coap.URI_PATH, b"rd"), (coap.URI_QUERY, f"ep={device_id}".encode()))
        answer = await self.answer(Message(coap.CON, coap.POST, 1, b"", options), remote)
        assert answer.code == coap.CREATED
        return answer.options[-1][1].decode()

    async def update(self, location: str, *query: bytes) -> int:
        """Let a device update its registration; return the code of the answer."""
        options = ((coap.URI_PATH, b"rd"), (coap.URI_PATH, location.encode()), *((coap.URI_QUERY, q) for q in query))
        return (await self.answer(Message(coap.CON, coap.POST, 3, b"", options), REMOTE)).code

    async def deregister(self, location: str) -> int:
        """Let a device de-register; return the code of the answer."""
        options = ((coap.URI_PATH, b"rd"), (coap.URI_PATH, location.encode()))
        return (await self.answer(Message(coap.CON, coap.DELETE, 2, b"", options), REMOTE)).code

    async def reach_kafka(self) -> None:
        """Let what has just been started get as far as Kafka, whose gate may be closed."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
