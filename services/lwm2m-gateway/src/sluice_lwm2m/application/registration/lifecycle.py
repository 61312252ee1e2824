"""How a registration begins, changes and ends; Kafka has each step before the device gets its answer."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import islice
from secrets import token_urlsafe

import structlog

from sluice_common.background import BackgroundTasks
from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceDeregistered, UplinkKind
from sluice_common.messages.registrations import Registration
from sluice_common.supervision import is_fatal, note_failure, persist
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.ports import DeviceDirectory, KnownDevice, Publisher
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.application.uplinks import UplinkReporter
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.registering import Parameters
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
_LOCATION_BYTES = 9
_EXPIRED_AT_ONCE = 500


class RegistrationLifecycle:
    """Registrations of one gateway."""

    def __init__(
        self,
        *,
        gateway: int,
        sessions: Sessions,
        mailbox: Mailbox,
        directory: DeviceDirectory,
        store: RegistrationStore,
        publisher: Publisher,
        reporter: UplinkReporter,
        commands: DeviceCommands,
        tasks: BackgroundTasks,
        check_interval: float,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._sessions = sessions
        self._mailbox = mailbox
        self._directory = directory
        self._store = store
        self._publisher = publisher
        self._reporter = reporter
        self._commands = commands
        self._tasks = tasks
        self._check_interval = check_interval
        self._counters = counters
        self._clock = clock

    def find(self, location: bytes) -> Session:
        """Return the session registered at `/rd/{location}`.

        Raises:
            CoapError: 4.04 if there is none, so that the device registers anew.
        """
        session = self._sessions.at_location(location.decode(errors="replace"), self._clock())
        if session is None:
            raise CoapError(coap.NOT_FOUND, "an unknown location")
        return session

    async def register(self, parameters: Parameters, remote: Peer) -> Registration:
        """Register a device, whatever was registered before.

        It may have forgotten that it is observed: the scheduler, who knows whether that matters, observes it anew. What
        was in flight to the registration before ends, and has turns of its own before this is reported.

        Raises:
            CoapError: 4.03 for an endpoint client name that the platform does not know.
            MailboxFullError: Too much of the device waits.
        """
        now = self._clock()
        device = await self._directory.find(parameters.endpoint)
        if device is None:
            raise CoapError(coap.FORBIDDEN, "an unknown endpoint client name")
        async with self._mailbox.work_on_message_of(device.device_id):
            record = self._new_record(device, parameters, remote, now)
            session = self._sessions.register(record, now, remote)
        await self._commands.wait_idle(device.device_id)
        async with self._mailbox.work_for(device.device_id):
            await self._store.save(session)
            await self._reporter.report(session, UplinkKind.REGISTER, now)
        self._counters[Counted.REGISTERED] += 1
        _log.debug("device_registered", device_id=device.device_id, epoch=record.epoch, address=record.address)
        return record

    def _new_record(self, device: KnownDevice, parameters: Parameters, remote: Peer, now: float) -> Registration:
        return records.register(
            self._sessions.record(device.device_id),
            parameters,
            device_id=device.device_id,
            app_id=device.app_id,
            address=remote.text,
            gateway=self._gateway,
            location=token_urlsafe(_LOCATION_BYTES),
            now=now,
        )

    def is_current(self, device_id: str, epoch: int) -> bool:
        """Return whether the answer to a registration still counts: the device has done nothing since but answer."""
        session = self._sessions.owned(device_id)
        return session is not None and session.is_fresh and session.destination(epoch, self._clock()) is not None

    async def update(self, session: Session, parameters: Parameters, remote: Peer) -> None:
        """Update a registration: its lifetime begins anew, and what the parameters name changes.

        Raises:
            CoapError: 4.04 if it has ended meanwhile.
            MailboxFullError: Too much of the device waits.
        """
        now, epoch = self._clock(), session.record.epoch
        session.is_fresh = False
        moved = self._sessions.owners.heard_from(session, remote, now)
        async with self._mailbox.work_on_message_of(session.record.device_id):
            self._require(session, epoch)
            record = records.update(session.record, parameters, now, session.moved_to, session.heard_at)
            if record is not session.record:
                self._sessions.replace(session, record)
            self._sessions.extend(session, now + record.lifetime)
            is_news = session.note_uplink(now)
            await self._store.save(session)
            if is_news or moved:
                await self._reporter.report(session, UplinkKind.UPDATE, now)
        if moved and not is_news:  # with a device that it took for asleep, the scheduler goes on itself
            self._commands.renew_observation(session)
        self._counters[Counted.UPDATED] += 1
        if now >= session.checked_at + self._check_interval:
            session.checked_at = now
            self._tasks.run(
                "device_not_checked", self._end_if_deleted(session, epoch), device_id=session.record.device_id
            )

    async def deregister(self, session: Session) -> None:
        """End a registration because its device leaves.

        Raises:
            CoapError: 4.04 if it has ended meanwhile.
            MailboxFullError: Too much of the device waits.
        """
        epoch = session.record.epoch
        async with self._mailbox.work_on_message_of(session.record.device_id):
            self._require(session, epoch)
            await self._end(session, self._clock())
        self._counters[Counted.DEREGISTERED] += 1

    @staticmethod
    def _require(session: Session, epoch: int) -> None:
        if session.record.deregistered or not session.has_epoch(epoch):
            raise CoapError(coap.NOT_FOUND, "a registration that has ended")

    async def _end_if_deleted(self, session: Session, epoch: int) -> None:
        """End a registration whose device the platform has no more: its next Update is 4.04, its Register 4.03."""
        device = await self._directory.find(session.record.endpoint)
        if device is not None and device.device_id == session.record.device_id:
            return
        async with self._mailbox.work_for(session.record.device_id):
            self._require(session, epoch)
            await self._end(session, self._clock())
        _log.info("deleted_device_ended", device_id=session.record.device_id)

    async def expire(self) -> None:
        """End the registrations whose lifetime has ended; after an outage that may be all of them.

        Many at once: each waits for Kafka twice. While Kafka is away this waits for it.
        """
        now = self._clock()
        expired = self._sessions.expired(now)
        while some := tuple(islice(expired, _EXPIRED_AT_ONCE)):
            await asyncio.gather(*(self._expire(session, session.record.epoch, now) for session in some))

    async def _expire(self, session: Session, epoch: int, now: float) -> None:
        device_id = session.record.device_id
        try:
            await persist(
                "registration_not_ended", partial(self._end_if_expired, session, epoch, now), device_id=device_id
            )
        except Exception as error:
            if is_fatal(error):
                raise
            note_failure("registration_not_ended", error, device_id=device_id)
            self._counters[Counted.FAILED] += 1

    async def _end_if_expired(self, session: Session, epoch: int, now: float) -> None:
        async with self._mailbox.work_for(session.record.device_id):
            if session.is_registered(now) or not session.has_epoch(epoch):  # it has spoken while this waited
                self._sessions.extend(session, session.expires_at)
            elif not session.record.deregistered:
                await self._end(session, now)
                self._counters[Counted.EXPIRED] += 1

    async def _end(self, session: Session, now: float) -> None:
        """End a registration once Kafka has its record and its event; until then it stands, and may be ended again."""
        record = records.deregister(session.record, now)
        await self._store.end(session, record)
        event = DeviceDeregistered(
            app_id=record.app_id, occurred_at=utc(now), device_id=record.device_id, epoch=record.epoch
        )
        await self._publisher.publish_event(event)
        if session.has_epoch(record.epoch):
            self._sessions.replace(session, records.deregister(session.record, now))
