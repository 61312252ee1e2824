"""Images by Block2 (RFC 7959 §2.4) at `/fw/{token}`: stateless per request, 4.04 for what may not be fetched.

At `/fw/{token}.dsse` beside it lies the envelope that signs the image, for devices that verify it themselves.
"""

from sluice_common.background import BackgroundTasks
from sluice_lwm2m.application.images.access import ImageAccess
from sluice_lwm2m.application.images.loading import ImageLoading
from sluice_lwm2m.application.ports import ImageStore, Responder
from sluice_lwm2m.application.uplinks import UplinkReporter
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message, path_segments, uint_bytes
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.encoding.content import LINK_FORMAT, OCTET_STREAM
from sluice_lwm2m.domain.image import slice_of

_HARMLESS_ONCE = frozenset((coap.URI_HOST, coap.URI_PORT))
_PROXYING = frozenset((coap.PROXY_URI, coap.PROXY_SCHEME))
_WELL_KNOWN = [b".well-known", b"core"]
_LINKS = b'</rd>;rt="core.rd";ct=40'
"""What there is to discover (RFC 6690 §4, RFC 9176 §4.3)."""
_LINK_FORMAT = codec.encode_options(((coap.CONTENT_FORMAT, uint_bytes(LINK_FORMAT)),))
_WITHOUT_GET = ([b"rd"], [b"dp"])


class ImageServer:
    """Answers GET requests."""

    def __init__(
        self,
        *,
        access: ImageAccess,
        store: ImageStore,
        tasks: BackgroundTasks,
        default_exponent: int,
        reporter: UplinkReporter,
        responder: Responder,
        counters: Counters,
    ) -> None:
        """Prepare.

        Args:
            access: Who may fetch what.
            store: Where images are.
            tasks: Owns what is being loaded.
            default_exponent: SZX of the blocks for a device that names no size.
            reporter: Reports devices whose request is refused.
            responder: Sends the answers.
            counters: Count them.
        """
        self._access = access
        self._store = store
        self._default_exponent = default_exponent
        self._reporter = reporter
        self._responder = responder
        self._counters = counters
        self._loading = ImageLoading(store, tasks, on_loaded=self.answer, on_failed=self._refuse)

    def answer(self, request: Message, remote: Peer) -> None:
        """Answer a GET request, now or when what it needs of the image has been loaded.

        It is checked anew then: its attempt may have been closed meanwhile.
        """
        path: list[bytes] = []
        block: bytes | None = None
        before = 0
        for number, value in request.options:
            if number == coap.URI_PATH:
                path.append(value)
            elif number == coap.BLOCK2 and block is None:
                block = value
            elif number & 1 and (code := _unacceptable(number, value, repeated=number == before)):
                self._refuse(request, remote, code)
                return
            before = number
        image_id = self._access.admit(path, remote)
        if image_id is None and path == _WELL_KNOWN:
            self._responder.respond(request, remote, coap.CONTENT, _LINK_FORMAT, _LINKS)
        elif image_id is None:
            has_no_get = path_segments(path)[:1] in _WITHOUT_GET
            self._refuse(request, remote, coap.METHOD_NOT_ALLOWED if has_no_get else coap.NOT_FOUND)
            self._reporter.report_unmatched(remote)
        elif self._serve(request, remote, image_id, block):
            self._access.note_end(path)

    def _serve(self, request: Message, remote: Peer, image_id: str, block: bytes | None) -> bool:
        """Answer with a block, now or later; return whether it was the last one."""
        if (image := self._store.image(image_id)) is None:
            self._loading.wait(image_id, None, request, remote)
        elif (part := slice_of(image, block, self._default_exponent)) is None:
            self._refuse(request, remote, coap.BAD_REQUEST)
        elif (chunk := self._store.chunk(image_id, part.chunk)) is None:
            self._loading.wait(image_id, part.chunk, request, remote)
        else:
            self._counters[Counted.BLOCKS] += 1
            self._responder.respond(request, remote, coap.CONTENT, part.options, chunk[part.start : part.end])
            return part.chunk * image.chunk_size + part.end >= image.length
        return False

    def _refuse(self, request: Message, remote: Peer, code: int) -> None:
        self._counters[Counted.BLOCKS_REFUSED] += 1
        self._responder.respond(request, remote, code)


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
