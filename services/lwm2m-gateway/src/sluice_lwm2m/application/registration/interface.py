"""The registration interface, `/rd`, and whatever else a device sends on its own (OMA TS 1.0.2 §5.3, TS 1.1.1 §6.2)."""

from collections.abc import Callable
from functools import partial

import msgspec
import structlog

from sluice_common.messages.device_events import UplinkKind
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.ports import DirectoryBusyError, UnansweredError
from sluice_lwm2m.application.registration.lifecycle import RegistrationLifecycle
from sluice_lwm2m.application.registration.strangers import Strangers
from sluice_lwm2m.application.uplinks import UplinkReporter
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.assembly import Assembly
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.message import Message, path_segments
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.request_response import Response
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.registering import LifetimeBounds, parse_register, parse_update
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
_PROXYING = frozenset((coap.PROXY_URI, coap.PROXY_SCHEME))
_METHODS = frozenset((coap.POST, coap.PUT, coap.DELETE))
"""Those of RFC 8132 are not among them (RFC 7252 §5.8)."""
_MANAGING = frozenset(((1, coap.POST), (2, coap.POST), (2, coap.PUT), (2, coap.DELETE)))
"""Segments of a path at `/rd`, and methods that it has."""


class RegistrationInterface:
    """Answers every request but GET."""

    def __init__(
        self,
        *,
        bounds: LifetimeBounds,
        lifecycle: RegistrationLifecycle,
        strangers: Strangers,
        assembly: Assembly,
        sessions: Sessions,
        mailbox: Mailbox,
        reporter: UplinkReporter,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._bounds = bounds
        self._lifecycle = lifecycle
        self._strangers = strangers
        self._assembly = assembly
        self._sessions = sessions
        self._mailbox = mailbox
        self._reporter = reporter
        self._counters = counters
        self._clock = clock
        self._takes_new = True

    def take_no_new(self) -> None:
        """Leave registrations unanswered from now on, as this gateway is about to end.

        Silence costs a device one retransmission, which the next process answers, or another gateway. By 5.03 a device
        would learn to come back to this address, and some clients wait for minutes then, whatever Max-Age says.
        """
        self._takes_new = False

    def check(self, request: Message, remote: Peer) -> Response | None:
        """Return the refusal of a request that anybody can send and nothing is done for; None if it is to be answered.

        It changes nothing, so that it takes neither a task nor a place among the duplicates.
        """
        try:
            self._check(request, remote)
        except CoapError as error:
            return self._refuse(error, remote)
        return None

    async def answer(self, request: Message, remote: Peer) -> Response:
        """Return the response to a request that has passed the check.

        Raises:
            UnansweredError: Too much of the device waits, or it wants to register while this gateway ends.
        """
        try:
            return await self._route(request, remote)
        except CoapError as error:
            return self._refuse(error, remote)

    def _refuse(self, error: CoapError, remote: Peer) -> Response:
        self._counters[Counted.REFUSED] += 1
        _log.debug("request_refused", address=remote.text, reason=str(error))
        return Response(error.code)

    def _check(self, request: Message, remote: Peer) -> None:
        _check_options(request)
        path = path_segments(request.values(coap.URI_PATH))
        if request.code not in _METHODS or (path[:1] == [b"rd"] and (len(path), request.code) not in _MANAGING):
            raise CoapError(coap.METHOD_NOT_ALLOWED, "a method that nothing here has")
        if path[:1] == [b"rd"]:
            if len(path) > 1:
                self._lifecycle.find(path[1])
        elif request.option(coap.BLOCK1) is not None:
            raise CoapError(coap.REQUEST_ENTITY_TOO_LARGE, "only registrations in blocks")
        elif self._sessions.at_address(remote, self._clock()) is None:
            raise CoapError(coap.NOT_FOUND, "not a registered device")

    async def _route(self, request: Message, remote: Peer) -> Response:
        path = path_segments(request.values(coap.URI_PATH))
        if path[:1] == [b"rd"]:
            if len(path) == 1 and not self._takes_new:
                raise UnansweredError("no new devices")
            take = self._manage if request.option(coap.BLOCK1) is None else self._take_block
            return await take(request, remote, path)
        return await self._take_other(remote, is_send=request.code == coap.POST and path == [b"dp"])

    async def _take_block(self, request: Message, remote: Peer, path: list[bytes]) -> Response:
        """Take a block of a request; answers name the block that they answer (RFC 7959 §2.3)."""
        whole = self._assembly.take(request, remote, self._clock())
        answer = Response(coap.CONTINUE, is_current=partial(self._assembly.is_begun, request, remote))
        if whole is not None:
            answer = await self._manage(whole, remote, path)
        block = coap.BLOCK1, request.option(coap.BLOCK1) or b""
        return msgspec.structs.replace(answer, options=(*answer.options, block))

    async def _manage(self, request: Message, remote: Peer, path: list[bytes]) -> Response:
        if len(path) == 1:
            return await self._register(request, remote)
        if request.code != coap.DELETE:
            return await self._update(request, remote, path[1])
        await self._lifecycle.deregister(self._lifecycle.find(path[1]))
        return Response(coap.DELETED)

    async def _register(self, request: Message, remote: Peer) -> Response:
        parameters = parse_register(request, self._bounds)
        self._strangers.check(parameters.endpoint, remote)
        try:
            with self._strangers.pending(parameters.endpoint, remote):
                record = await self._lifecycle.register(parameters, remote)
        except DirectoryBusyError as error:
            raise CoapError(coap.SERVICE_UNAVAILABLE, "too many registrations wait for the database") from error
        except CoapError:
            self._strangers.note_unknown(remote)
            raise
        location = (coap.LOCATION_PATH, b"rd"), (coap.LOCATION_PATH, record.location.encode())
        return Response(
            coap.CREATED, location, is_current=partial(self._lifecycle.is_current, record.device_id, record.epoch)
        )

    async def _update(self, request: Message, remote: Peer, location: bytes) -> Response:
        session = self._lifecycle.find(location)
        await self._lifecycle.update(session, parse_update(request, self._bounds), remote)
        return Response(coap.CHANGED)

    async def _take_other(self, remote: Peer, *, is_send: bool) -> Response:
        """Report the device; the data of a Send (OMA TS 1.1.1 §6.4.7) are dropped, anything else is not found."""
        now = self._clock()
        session = self._sessions.at_address(remote, now)
        if session is None:
            raise CoapError(coap.NOT_FOUND, "not a registered device")
        session.is_fresh = False
        if session.note_uplink(now):
            async with self._mailbox.work_on_message_of(session.record.device_id):
                await self._reporter.report(session, UplinkKind.DATA, now)
        return Response(coap.CHANGED if is_send else coap.NOT_FOUND)


def _check_options(request: Message) -> None:
    if request.has_bad_critical_option:
        if any(number in _PROXYING for number, _ in request.options):
            raise CoapError(coap.PROXYING_NOT_SUPPORTED, "not a proxy")
        raise CoapError(coap.BAD_OPTION, "a critical option that is unknown or too long")
