"""Blocks of images: who gets them and what they look like; only the store of images is a fake."""

import asyncio
import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lwm2m.conftest import Kafka

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceUplink
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_common.tokens import ImageToken, TokenSigner
from sluice_lwm2m.adapters.device_events import DeviceEvents
from sluice_lwm2m.adapters.images import ImageStore
from sluice_lwm2m.application.images.image_server import ImageServer
from sluice_lwm2m.application.uplinks import SignsOfLife
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.blocks import Block, parse_block
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.counters import Counters
from sluice_lwm2m.domain.image import Image, make_image
from sluice_lwm2m.domain.sessions import Sessions

T0 = 1_700_000_000.0
REMOTE: Address = ("10.0.0.1", 5683)
DEVICE, TASK, IMAGE = "d" * 24, "a" * 24, "b" * 24
DATA = bytes(n % 251 for n in range(5_000))
CHUNK = 2_048
SIGNER = TokenSigner(b"k" * 32)
TOKEN = ImageToken(DEVICE, TASK, IMAGE, 1, int(T0) + 100)
ATTEMPT = AttemptRef(execution_id=f"{TASK}:{DEVICE}", attempt=1)


class FakeStore(ImageStore):
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


class Server:
    """An image server for one registered device."""

    def __init__(self) -> None:
        self.now = T0
        self.store = FakeStore()
        self.sessions = Sessions(0, awake_window=10)
        self.session = self.sessions.register(
            Registration(
                app_id="a",
                occurred_at=utc(T0),
                device_id=DEVICE,
                endpoint="ep",
                address="10.0.0.1:5683",
                gateway=0,
                epoch=1,
                location="l",
                lifetime=1_000,
                expires_at=utc(T0 + 1_000),
                queue_mode=True,
                current_attempt=ATTEMPT,
            ),
            T0,
        )
        self.revoked: set[str] = set()
        self.sent: list[Message] = []
        self.kafka = Kafka()
        self.server = ImageServer(
            sessions=self.sessions,
            store=self.store,
            revoked=self.revoked,
            signer=SIGNER,
            default_exponent=6,
            signs=SignsOfLife(self.sessions, DeviceEvents(self.kafka), lambda: self.now),
            send=lambda data, _: self.sent.append(codec.decode(data)),
            counters=Counters(),
            clock=lambda: self.now,
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
        kind: int = coap.CON,
        options: tuple[tuple[int, bytes], ...] = (),
    ) -> Message:
        """Ask for a block and return the answer."""
        segments = path or (b"fw", SIGNER.sign(token).encode())
        blocks = () if block is None else ((coap.BLOCK2, block),)
        given_ = sorted((*options, *((coap.URI_PATH, s) for s in segments), *blocks), key=lambda option: option[0])
        self.server.take(codec.encode(Message(kind, coap.GET, 7, b"tk", tuple(given_))), REMOTE)
        return self.sent[-1]


async def test_the_first_block_tells_size_and_name_of_the_image() -> None:
    answer = Server().get()
    assert (answer.kind, answer.code, answer.mid, answer.token) == (coap.ACK, coap.CONTENT, 7, b"tk")
    assert answer.payload == DATA[:1_024]
    assert parse_block(answer.option(coap.BLOCK2) or b"") == Block(0, more=True, exponent=6)
    assert answer.uint(coap.SIZE2) == len(DATA)
    assert answer.option(coap.ETAG) == b"etag"
    assert answer.uint(coap.CONTENT_FORMAT) == 42


@pytest.mark.requirement("R080")
@given(exponent=st.integers(0, 6))
def test_all_blocks_together_are_the_image(exponent: int) -> None:
    async def download() -> bytes:
        server, image, block = Server(), b"", Block(0, more=True, exponent=exponent)
        while block.more:
            answer = server.get(Block(len(image) >> (exponent + 4), more=False, exponent=exponent).to_bytes())
            image += answer.payload
            found = parse_block(answer.option(coap.BLOCK2) or b"")
            assert found is not None
            block = found
        return image

    assert asyncio.run(download()) == DATA


async def test_an_unconfirmed_request_gets_an_unconfirmed_answer() -> None:
    server = Server()
    before = server.session.next_mid()
    answer = server.get(kind=coap.NON)
    assert (answer.kind, answer.mid) == (coap.NON, (before + 1) % 65_536)


async def test_a_block_beyond_the_end_and_the_reserved_size_are_bad_requests() -> None:
    server = Server()
    assert server.get(Block(5, more=False, exponent=6).to_bytes()).code == coap.BAD_REQUEST
    assert server.get(b"\x07").code == coap.BAD_REQUEST


async def test_an_empty_image_is_one_empty_block() -> None:
    server = Server()
    server.store.images[IMAGE] = b""
    answer = server.get()
    assert (answer.code, answer.payload, answer.uint(coap.SIZE2)) == (coap.CONTENT, b"", 0)


async def test_options_that_change_nothing_are_ignored() -> None:
    harmless = ((3, b"host"), (7, b"\x16\x33"), (15, b"a=b"), (15, b"c"), (17, b"\x2a"), (28, b""), (258, b""))
    assert Server().get(options=harmless).code == coap.CONTENT


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (((9, b""),), coap.BAD_OPTION),
        (((3, b"host"), (3, b"other")), coap.BAD_OPTION),
        (((17, b"\x2a"), (17, b"\x2a")), coap.BAD_OPTION),
        (((coap.BLOCK2, b"\x06"), (coap.BLOCK2, b"\x16")), coap.BAD_OPTION),
        (((17, b""),), coap.NOT_ACCEPTABLE),
        (((35, b"coap://x"),), coap.PROXYING_NOT_SUPPORTED),
        (((39, b"coap"),), coap.PROXYING_NOT_SUPPORTED),
    ],
)
async def test_what_cannot_be_done_is_refused_by_its_name(options: tuple[tuple[int, bytes], ...], code: int) -> None:
    assert Server().get(options=options).code == code


@pytest.mark.parametrize("path", [(b"rd",), (b"rd", b"l"), (b"dp",)])
async def test_where_only_other_methods_are_known_get_is_not_allowed(path: tuple[bytes, ...]) -> None:
    assert Server().get(path=path).code == coap.METHOD_NOT_ALLOWED


@pytest.mark.requirement("D15")
async def test_an_image_that_is_revoked_in_mid_download_is_handed_out_no_further() -> None:
    server = Server()
    assert server.get().code == coap.CONTENT
    server.revoked.add(IMAGE)
    assert server.get(Block(1, more=False, exponent=6).to_bytes()).code == coap.NOT_FOUND


async def test_a_download_keeps_a_sleeper_awake() -> None:
    server = Server()
    server.now = T0 + 50
    server.get()
    assert server.session.awake_until == T0 + 60


@pytest.mark.parametrize("current", [ATTEMPT, None])
async def test_a_request_is_news_of_a_device_that_is_taken_for_asleep(current: AttemptRef | None) -> None:
    server = Server()
    server.change(current_attempt=current)
    server.session.untold()
    server.get()
    server.get()
    await asyncio.sleep(0)
    assert [uplink.awake_until for uplink in server.kafka.of(DeviceUplink)] == [utc(T0 + 10)]


async def test_blocks_of_a_download_are_no_news() -> None:
    server = Server()
    server.session.told(T0, T0 + 1)
    server.now = T0 + 50
    server.get()
    await asyncio.sleep(0)
    assert server.kafka.messages == []


@pytest.mark.parametrize(
    "current",
    [None, AttemptRef(execution_id=ATTEMPT.execution_id, attempt=2), AttemptRef(execution_id="x:y", attempt=1)],
)
async def test_an_attempt_that_is_not_the_current_one_gets_nothing(current: AttemptRef | None) -> None:
    server = Server()
    assert server.get().code == coap.CONTENT
    server.change(current_attempt=current)
    assert server.get().code == coap.NOT_FOUND


async def test_an_attempt_that_was_closed_is_served_again_only_while_it_has_another_slot() -> None:
    """Its earlier token counts too, to its own end: whoever holds it holds the slot."""
    server = Server()
    later = dataclasses.replace(TOKEN, not_after=TOKEN.not_after + 50)
    codes = []
    for current in (ATTEMPT, None, ATTEMPT, None):
        server.change(current_attempt=current)
        codes.append({server.get(token=token).code for token in (TOKEN, later)})
    assert codes == [{coap.CONTENT}, {coap.NOT_FOUND}, {coap.CONTENT}, {coap.NOT_FOUND}]
    server.change(current_attempt=ATTEMPT)
    server.now = T0 + 120
    assert [server.get(token=token).code for token in (TOKEN, later)] == [coap.NOT_FOUND, coap.CONTENT]


async def test_a_token_ends_on_time() -> None:
    server = Server()
    server.now = T0 + 99.9
    assert server.get().code == coap.CONTENT
    server.now = T0 + 100
    assert server.get().code == coap.NOT_FOUND


async def test_a_device_of_another_gateway_gets_nothing_here() -> None:
    server = Server()
    server.change(gateway=1)
    assert server.get().code == coap.NOT_FOUND


@pytest.mark.parametrize(
    "path",
    [
        (b"fw",),
        (b"fw", b""),
        (b"fw", b"x" * 80),
        (b"fw", b"\xff" * 80),
        (b"fw", TokenSigner(b"e" * 32).sign(TOKEN).encode()),
        (b"fw", SIGNER.sign(TOKEN).encode(), b"x"),
        (b"FW", SIGNER.sign(TOKEN).encode()),
        (b".well-known", b"core"),
    ],
)
async def test_without_a_valid_token_nothing_is_found(path: tuple[bytes, ...]) -> None:
    assert Server().get(path=path).code == coap.NOT_FOUND


LATER = ImageToken(DEVICE, TASK, "c" * 24, 1, int(T0) + 100)


async def test_an_image_that_is_not_in_memory_is_loaded_once_for_all() -> None:
    server = Server()
    server.store.slow[LATER.image_id] = b"later"
    for number in (0, 0, 1, 2, 3, 4, 4):
        server.server.take(datagram_of(LATER), ("10.0.0.1", number))
    assert server.sent == []
    server.store.gate.set()
    await asyncio.sleep(0.01)
    assert [message.payload for message in server.sent] == [b"later"] * 5
    assert server.store.loads == [(LATER.image_id, None), (LATER.image_id, 0)]


async def test_only_the_chunks_that_are_asked_for_are_loaded() -> None:
    server = Server()
    server.store.slow[LATER.image_id] = DATA
    server.store.gate.set()
    server.server.take(datagram_of(LATER, Block(3, more=False, exponent=6).to_bytes()), REMOTE)
    await asyncio.sleep(0.01)
    assert [message.payload for message in server.sent] == [DATA[3_072:4_096]]
    assert server.store.loads == [(LATER.image_id, None), (LATER.image_id, 1)]


async def test_an_attempt_closed_while_its_image_is_loaded_gets_nothing() -> None:
    server = Server()
    server.store.slow[LATER.image_id] = b"later"
    server.server.take(datagram_of(LATER), REMOTE)
    server.change(current_attempt=None)
    server.store.gate.set()
    await asyncio.sleep(0.01)
    assert [message.code for message in server.sent] == [coap.NOT_FOUND]


@pytest.mark.parametrize(("failure", "code"), [(None, coap.NOT_FOUND), (OSError(), coap.SERVICE_UNAVAILABLE)])
async def test_an_image_that_cannot_be_loaded_is_an_answer(failure: Exception | None, code: int) -> None:
    server = Server()
    server.store.failure = failure
    server.store.gate.set()
    server.server.take(datagram_of(LATER), REMOTE)
    await asyncio.sleep(0.01)
    assert [message.code for message in server.sent] == [code]


def datagram_of(token: ImageToken, block: bytes = b"\x06") -> bytes:
    path = ((coap.URI_PATH, b"fw"), (coap.URI_PATH, SIGNER.sign(token).encode()))
    return codec.encode(Message(coap.CON, coap.GET, 7, b"tk", (*path, (coap.BLOCK2, block))))


@given(st.binary(max_size=40), st.integers(0, 3))
def test_no_datagram_raises_anything(tail: bytes, kind: int) -> None:
    async def feed() -> None:
        server = Server()
        server.server.take(bytes((0x40 | kind << 4 | 2, coap.GET)) + tail, REMOTE)
        if kind >= coap.ACK:
            assert server.sent == []

    asyncio.run(feed())
