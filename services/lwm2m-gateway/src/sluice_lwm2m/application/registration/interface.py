"""The registration interface, `/rd`, and whatever else a device sends on its own (OMA TS 1.0.2 §5.3, TS 1.1.1 §6.2)."""

from collections.abc import Callable
from secrets import token_urlsafe

import msgspec
import structlog

from sluice_common.messages.device_events import UplinkKind
from sluice_lwm2m.adapters.device_directory import DeviceDirectory
from sluice_lwm2m.adapters.device_events import DeviceEvents
from sluice_lwm2m.adapters.endpoint import Reply
from sluice_lwm2m.adapters.registration_log import RegistrationLog
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address, address_text
from sluice_lwm2m.domain.coap.assembly import Assembly
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.registering import LifetimeBounds, RefusedError, parse_register, parse_update
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
_UNDERSTOOD = frozenset(
    (coap.URI_HOST, coap.URI_PORT, coap.URI_PATH, coap.URI_QUERY, coap.ACCEPT, coap.BLOCK2, coap.BLOCK1)
)
"""Critical options that a request may carry; others are refused (RFC 7252 §5.4.1)."""
_LOCATION_BYTES = 9


class RegistrationInterface:
    """Answers every request but GET."""

    def __init__(
        self,
        *,
        gateway: int,
        bounds: LifetimeBounds,
        sessions: Sessions,
        assembly: Assembly,
        directory: DeviceDirectory,
        log: RegistrationLog,
        events: DeviceEvents,
        commands: DeviceCommands,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._bounds = bounds
        self._sessions = sessions
        self._assembly = assembly
        self._directory = directory
        self._log = log
        self._events = events
        self._commands = commands
        self._counters = counters
        self._clock = clock

    async def answer(self, request: Message, remote: Address) -> Reply:
        """Return the response to a request."""
        try:
            return await self._route(request, remote)
        except RefusedError as refused:
            self._counters[Counted.REFUSED] += 1
            _log.debug("request_refused", address=address_text(remote), reason=str(refused))
            return Reply(refused.code)

    async def _route(self, request: Message, remote: Address) -> Reply:
        _check_options(request)
        path = request.values(coap.URI_PATH)
        block = request.option(coap.BLOCK1)
        if path[:1] == [b"rd"]:
            return await (self._manage(request, remote, path) if block is None else self._put_together(request, remote))
        if block is not None:
            raise RefusedError(coap.REQUEST_ENTITY_TOO_LARGE, "only registrations in blocks")
        return await self._other(remote, sent=request.code == coap.POST and path == [b"dp"])

    async def _put_together(self, request: Message, remote: Address) -> Reply:
        """Take a block of a request; answers name the block that they answer (RFC 7959 §2.3)."""
        whole = self._assembly.take(request, remote, self._clock())
        answer = Reply(coap.CONTINUE)
        if whole is not None:
            answer = await self._manage(whole, remote, whole.values(coap.URI_PATH))
        block = coap.BLOCK1, request.option(coap.BLOCK1) or b""
        return msgspec.structs.replace(answer, options=(*answer.options, block))

    async def _manage(self, request: Message, remote: Address, path: list[bytes]) -> Reply:
        match len(path), request.code:
            case 1, coap.POST:
                return await self._register(request, remote)
            case 2, coap.POST | coap.PUT:
                return await self._update(request, remote, path[1])
            case 2, coap.DELETE:
                return await self._deregister(path[1])
            case _:
                raise RefusedError(coap.METHOD_NOT_ALLOWED, "not a registration request")

    async def _register(self, request: Message, remote: Address) -> Reply:
        parameters = parse_register(request, self._bounds)
        device = await self._directory.find(parameters.endpoint)
        if device is None:
            raise RefusedError(coap.FORBIDDEN, "an unknown endpoint client name")
        now = self._clock()
        before = self._sessions.owned(device.device_id)
        record = records.register(
            self._sessions.record(device.device_id),
            parameters,
            device_id=device.device_id,
            app_id=device.app_id,
            address=address_text(remote),
            gateway=self._gateway,
            location=token_urlsafe(_LOCATION_BYTES),
            now=now,
        )
        awaited = before is not None and now < before.quiet_until
        if before is not None:
            self._commands.interrupt(before)
        session = self._sessions.register(record, now)
        await self._commands.settled(device.device_id)
        await self._log.save(session)
        await self._events.uplink(session, UplinkKind.REGISTER, now)
        if not awaited:  # after an Execute the scheduler reads the result itself
            self._commands.observe_again(session)
        self._counters[Counted.REGISTERED] += 1
        _log.debug("device_registered", device_id=device.device_id, epoch=record.epoch, address=record.address)
        return Reply(coap.CREATED, ((coap.LOCATION_PATH, b"rd"), (coap.LOCATION_PATH, record.location.encode())))

    async def _update(self, request: Message, remote: Address, location: bytes) -> Reply:
        now = self._clock()
        session = self._session_at(location, now)
        record = records.update(session.record, parse_update(request, self._bounds), address_text(remote), now)
        moved = record.address != session.record.address
        if record is not session.record:
            self._sessions.replace(session, record)
        session.expires_at = now + record.lifetime
        news = session.contact(now)
        await self._log.save(session)
        if news or moved:
            await self._events.uplink(session, UplinkKind.UPDATE, now)
        if moved:
            self._commands.observe_again(session)
        self._counters[Counted.UPDATED] += 1
        return Reply(coap.CHANGED)

    async def _deregister(self, location: bytes) -> Reply:
        now = self._clock()
        await self._leave(self._session_at(location, now), now)
        self._counters[Counted.DEREGISTERED] += 1
        return Reply(coap.DELETED)

    async def _other(self, remote: Address, *, sent: bool) -> Reply:
        """Take a sign of life, for example Send (OMA TS 1.1.1 §6.4.7), whose data nobody here wants."""
        now = self._clock()
        session = self._sessions.at_address(remote, now)
        if session is None:
            raise RefusedError(coap.NOT_FOUND, "not a registered device")
        if session.contact(now):
            await self._events.uplink(session, UplinkKind.DATA, now)
        return Reply(coap.CHANGED if sent else coap.NOT_FOUND)

    async def expire(self) -> None:
        """Let go of the devices whose lifetime has ended.

        One by one: a device that registers while the one before it is let go of is not among them any more.
        """
        now = self._clock()
        for session in self._sessions.expired(now):
            await self._leave(session, now)
            self._counters[Counted.EXPIRED] += 1

    async def _leave(self, session: Session, now: float) -> None:
        left = records.deregister(session.record, now)
        self._sessions.replace(session, left)
        await self._log.save(session)
        await self._events.deregistered(left, now)  # of this epoch: the device may have registered anew meanwhile

    def _session_at(self, location: bytes, now: float) -> Session:
        session = self._sessions.at_location(location.decode(errors="replace"), now)
        if session is None:
            raise RefusedError(coap.NOT_FOUND, "an unknown location")
        return session


def _check_options(request: Message) -> None:
    numbers = {number for number, _ in request.options}
    if numbers & {coap.PROXY_URI, coap.PROXY_SCHEME}:
        raise RefusedError(coap.PROXYING_NOT_SUPPORTED, "not a proxy")
    if any(number & 1 for number in numbers - _UNDERSTOOD):
        raise RefusedError(coap.BAD_OPTION, "an unknown critical option")
