"""Images by Block2 (RFC 7959 §2.4) at `/fw/{token}`: stateless per request, and nothing without a valid token.

Design §4: an attempt that has ended is fenced here. A block is served while the token is signed by the platform, its
time has not passed, the device's registration names its attempt as the current one, and its image is not revoked;
otherwise the answer is 4.04.
"""

import asyncio
from collections.abc import Callable, Container
from functools import lru_cache

import structlog

from sluice_common.ids import execution_id
from sluice_common.messages.registrations import AttemptRef
from sluice_common.tokens import ImageToken, InvalidTokenError, TokenSigner
from sluice_lwm2m.adapters.images import ImageStore
from sluice_lwm2m.application.uplinks import SignsOfLife
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.codec import MessageFormatError, NotCoapError
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.encoding.content import OCTET_STREAM
from sluice_lwm2m.domain.image import part_of
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
_HARMLESS_ONCE = frozenset((coap.URI_HOST, coap.URI_PORT))
_PROXYING = frozenset((coap.PROXY_URI, coap.PROXY_SCHEME))
_WITHOUT_GET = ([b"rd"], [b"dp"])
_MAX_WAITING = 10_000
_TOKENS_KEPT = 4_096
_Wanted = tuple[str, int | None]
"""A chunk of an image; None for what must be known of the image itself."""


class ImageServer:
    """Answers GET requests."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        store: ImageStore,
        revoked: Container[str],
        signer: TokenSigner,
        default_exponent: int,
        signs: SignsOfLife,
        send: Callable[[bytes, Address], None],
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._revoked = revoked
        self._signer = signer
        self._default_exponent = default_exponent
        self._signs = signs
        self._send = send
        self._counters = counters
        self._clock = clock
        self._verified = lru_cache(maxsize=_TOKENS_KEPT)(self._verify)
        self._waiting: dict[_Wanted, dict[Address, Message]] = {}
        self._loading: set[asyncio.Task[None]] = set()

    def take(self, data: bytes, remote: Address) -> None:
        """Answer the datagram of a GET request, now or when what it needs of the image has been loaded."""
        try:
            request = codec.decode(data)
        except NotCoapError:
            self._counters[Counted.MALFORMED] += 1
        except MessageFormatError as error:
            self._counters[Counted.MALFORMED] += 1
            if error.kind == coap.CON:
                self._send(codec.header(coap.RST, coap.EMPTY, error.mid), remote)
        else:
            if request.kind <= coap.NON:
                self._answer(request, remote)

    def _answer(self, request: Message, remote: Address) -> None:
        path: list[bytes] = []
        asked: bytes | None = None
        before = 0
        for number, value in request.options:
            if number == coap.URI_PATH:
                path.append(value)
            elif number == coap.BLOCK2 and asked is None:
                asked = value
            elif number & 1 and (code := _unacceptable(number, value, repeated=number == before)):
                self._refuse(request, remote, code)
                return
            before = number
        image_id = self._admit(path)
        if image_id is None:
            self._refuse(request, remote, coap.METHOD_NOT_ALLOWED if path[:1] in _WITHOUT_GET else coap.NOT_FOUND)
            self._signs.heard(remote)
        else:
            self._serve(request, remote, image_id, asked)

    def _serve(self, request: Message, remote: Address, image_id: str, asked: bytes | None) -> None:
        if (image := self._store.image(image_id)) is None:
            self._wait((image_id, None), request, remote)
        elif (part := part_of(image, asked, self._default_exponent)) is None:
            self._refuse(request, remote, coap.BAD_REQUEST)
        elif (chunk := self._store.chunk(image_id, part.chunk)) is None:
            self._wait((image_id, part.chunk), request, remote)
        else:
            self._counters[Counted.BLOCKS] += 1
            self._respond(request, remote, coap.CONTENT, part.options, chunk[part.start : part.end])

    def _admit(self, path: list[bytes]) -> str | None:
        """Return the id of the image that may be served at a path; extends the device's awake window."""
        if len(path) != 2 or path[0] != b"fw":  # noqa: PLR2004 - /fw/{token}
            return None
        try:
            token, attempt = self._verified(path[1])
        except InvalidTokenError:
            return None
        now = self._clock()
        session = self._sessions.owned(token.device_id)
        if now >= token.not_after or session is None or session.record.current_attempt != attempt:
            return None
        if token.image_id in self._revoked:
            return None
        session.extend(now)
        if not session.is_told:
            self._signs.spoke(session)
        return token.image_id

    def _verify(self, text: bytes) -> tuple[ImageToken, AttemptRef]:
        token = self._signer.verify(text.decode("ascii", errors="replace"))
        execution = execution_id(token.task_id, token.device_id)
        return token, AttemptRef(execution_id=execution, attempt=token.attempt)

    def _wait(self, wanted: _Wanted, request: Message, remote: Address) -> None:
        """Keep the newest request of each device until what it needs is there; the device repeats what is not kept."""
        if (waiting := self._waiting.get(wanted)) is not None:
            if len(waiting) < _MAX_WAITING:
                waiting[remote] = request
        else:
            self._waiting[wanted] = {remote: request}
            task = asyncio.get_running_loop().create_task(self._load(wanted))
            self._loading.add(task)
            task.add_done_callback(self._loading.discard)

    async def _load(self, wanted: _Wanted) -> None:
        image_id, chunk = wanted
        there, code = False, coap.NOT_FOUND
        try:
            there = await (
                self._store.load_image(image_id) if chunk is None else self._store.load_chunk(image_id, chunk)
            )
        except Exception:  # noqa: BLE001 - whatever is wrong with the store, the devices get an answer
            _log.warning("image_not_loaded", image_id=image_id, chunk=chunk, exc_info=True)
            code = coap.SERVICE_UNAVAILABLE
        for remote, request in self._waiting.pop(wanted).items():
            if there:
                self._answer(request, remote)  # asks for everything again: the attempt may have been closed
            else:
                self._refuse(request, remote, code)

    def _refuse(self, request: Message, remote: Address, code: int) -> None:
        self._counters[Counted.BLOCKS_REFUSED] += 1
        self._respond(request, remote, code, b"", b"")

    def _respond(self, request: Message, remote: Address, code: int, options: bytes, payload: bytes) -> None:
        confirmable = request.kind == coap.CON
        kind, mid = (coap.ACK, request.mid) if confirmable else (coap.NON, self._sessions.next_mid(remote))
        tail = b"\xff" + payload if payload else b""
        self._send(codec.header(kind, code, mid, request.token) + options + tail, remote)


def _unacceptable(number: int, value: bytes, *, repeated: bool) -> int | None:
    """Return the code that refuses a critical option, None if it does no harm.

    Unknown ones and repeated ones are refused alike (RFC 7252 §5.4.1, §5.4.5), proxying by its own code (§5.7.2), and
    so is another format than that of images (§5.10.4).
    """
    if number in _PROXYING:
        return coap.PROXYING_NOT_SUPPORTED
    if number == coap.ACCEPT and not repeated:
        return None if int.from_bytes(value) == OCTET_STREAM else coap.NOT_ACCEPTABLE
    return None if number == coap.URI_QUERY or (number in _HARMLESS_ONCE and not repeated) else coap.BAD_OPTION
