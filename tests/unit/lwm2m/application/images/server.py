"""An image server for one device, with an image of 5,000 bytes in memory."""

import asyncio
from typing import Any

import msgspec
from tests.unit.lwm2m.application_under_test import Application
from tests.unit.lwm2m.builders import T0, registration
from tests.unit.lwm2m.fakes import FakeResponder

from sluice_common.messages.registrations import AttemptRef
from sluice_common.tokens import ImageToken, TokenSigner
from sluice_lwm2m.application.images.access import ImageAccess
from sluice_lwm2m.application.images.image_server import ImageServer
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.image import Image, make_image

REMOTE = Peer(("10.0.0.1", 5683))
DEVICE, TASK, IMAGE = "d" * 24, "a" * 24, "b" * 24
DATA = bytes(n % 251 for n in range(5_000))
CHUNK = 2_048
SIGNER = TokenSigner(b"k" * 32)
TOKEN = ImageToken(DEVICE, TASK, IMAGE, 1, int(T0) + 100)
ATTEMPT = AttemptRef(execution_id=f"{TASK}:{DEVICE}", attempt=1)


class FakeStore:
    """Images in memory; those in `slow` come when the gate opens."""

    def __init__(self) -> None:
        self.images = {IMAGE: DATA}
        self.slow: dict[str, bytes] = {}
        self.failure: Exception | None = None
        self.loads: list[tuple[str, int | None]] = []
        self.gate = asyncio.Event()

    def image(self, image_id: str) -> Image | None:
        """Return an image that is there."""
        data = self.images.get(image_id)
        return None if data is None else make_image(len(data), CHUNK, b"etag")

    def chunk(self, image_id: str, number: int) -> bytes | None:
        """Return a chunk of an image that is there."""
        if image_id in self.slow and (image_id, number) not in self.loads:
            return None
        return self.images[image_id][number * CHUNK : (number + 1) * CHUNK]

    async def load_image(self, image_id: str) -> bool:
        """Get an image when the gate opens."""
        await self._load(image_id, None)
        if image_id in self.slow:
            self.images[image_id] = self.slow[image_id]
        return image_id in self.images

    async def load_chunk(self, image_id: str, number: int) -> bool:
        """Get a chunk when the gate opens."""
        await self._load(image_id, number)
        return True

    async def _load(self, image_id: str, number: int | None) -> None:
        await self.gate.wait()
        self.loads.append((image_id, number))
        if self.failure:
            raise self.failure


class Server(Application):
    """An image server for one registered device."""

    def __init__(self) -> None:
        super().__init__()
        self.images = FakeStore()
        self.session = self.register(
            registration(DEVICE, address="10.0.0.1:5683", queue_mode=True, current_attempt=ATTEMPT)
        )
        self.revoked: set[str] = set()
        self.responder = FakeResponder()
        self.server = ImageServer(
            access=ImageAccess(
                sessions=self.sessions,
                revoked=self.revoked,
                signer=SIGNER,
                reporter=self.reporter,
                clock=self.clock,
            ),
            store=self.images,
            tasks=self.tasks,
            default_exponent=6,
            reporter=self.reporter,
            responder=self.responder,
            counters=self.counters,
        )

    def change(self, **changes: Any) -> None:
        """Change the registration."""
        self.sessions.replace(self.session, msgspec.structs.replace(self.session.record, **changes))

    def get(
        self,
        block: bytes | None = None,
        *,
        token: ImageToken = TOKEN,
        path: tuple[bytes, ...] | None = None,
        options: tuple[tuple[int, bytes], ...] = (),
    ) -> Message:
        """Ask for a block and return the answer."""
        segments = path or (b"fw", SIGNER.sign(token).encode())
        blocks = () if block is None else ((coap.BLOCK2, block),)
        given_ = sorted((*options, *((coap.URI_PATH, s) for s in segments), *blocks), key=lambda option: option[0])
        self.server.answer(Message(coap.CON, coap.GET, 7, b"tk", tuple(given_)), REMOTE)
        return self.responder.sent[-1]
