"""Notifications of the firmware state (RFC 7641, OMA TS 1.0.2 §5.5.3), taken by their token alone.

A device may notify from another address (NAT rebinding) and, as Huawei's LiteOS client does, after a restart with the
token that it got before; but not from one that it has left (`address_owners`), and only by a notification that is newer
than all before: any other may have been replayed. A notification is acknowledged when Kafka has it: LiteOS begins its
download only then. It is the newest from then on, so that one that Kafka did not get counts when it comes again; what
becomes of it if it does not is in `unacknowledged`.
"""

from collections.abc import Callable
from functools import partial

import structlog

from sluice_common.background import BackgroundTasks
from sluice_common.messages.base import utc
from sluice_common.messages.device_events import FirmwareState, FirmwareStateNotified, UplinkKind
from sluice_common.observability import Rarely
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.ports import Publisher
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.application.unacknowledged import Kept, Unacknowledged
from sluice_lwm2m.application.uplinks import UplinkReporter
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.coap.request_response import IsCurrent
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.observed import Observed
from sluice_lwm2m.domain.requests import firmware_state
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()


class Notifications:
    """Turns notifications into events."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        mailbox: Mailbox,
        store: RegistrationStore,
        publisher: Publisher,
        reporter: UplinkReporter,
        tasks: BackgroundTasks,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._mailbox = mailbox
        self._store = store
        self._publisher = publisher
        self._reporter = reporter
        self._counters = counters
        self._clock = clock
        self._ended = Rarely()
        self._not_understood = Rarely()
        self._unacknowledged = Unacknowledged(mailbox, tasks, self._publish_kept, self._observe_again, clock)
        self._observe: Callable[[Session], None] = _ask_nothing
        self._read_state: Callable[[Session], None] = _ask_nothing

    def ask_by(self, observe: Callable[[Session], None], read_state: Callable[[Session], None]) -> None:
        """Set who asks a device that notifies without telling its state.

        Args:
            observe: Observes a device that has ended its observation again.
            read_state: Reads the state.
        """
        self._observe = observe
        self._read_state = read_state

    def is_observed(self, token: bytes, remote: Peer) -> bool:
        """Return whether a token is an observation's and speaks for its device from an address."""
        session = self._sessions.observed_by(token)
        return session is not None and remote not in session.former

    async def take(self, message: Message, remote: Peer) -> IsCurrent | None:
        """Take a notification; returns when Kafka has what it says.

        A device that has restarted may notify the same byte for byte: under a new registration that is news.

        Raises:
            MailboxFullError: Too much of the device waits.
        """
        session = self._sessions.observed_by(message.token)
        if session is None:
            return None
        session.is_fresh = False
        record, now = session.record, self._clock()
        observed = Observed(
            record.observe_attempt, record.observe_token, message.uint(coap.OBSERVE), self._state(session, message), now
        )
        is_new = observed.sequence is not None and session.receive(observed.token, observed.sequence, now)
        moved = is_new and session.is_registered(now) and self._sessions.owners.heard_from(session, remote, now)
        is_here = is_new or remote == session.remote
        is_uplink = is_here and self._note_uplink(session, observed, is_success=message.is_success)
        try:
            async with self._mailbox.work_on_message_of(record.device_id):
                if session.has_epoch(record.epoch) and not session.record.deregistered:
                    await self._save_address(session)
                if is_uplink or moved:
                    await self._reporter.report(session, UplinkKind.NOTIFY, now)
                if is_here if observed.sequence is None else session.is_news(observed.token, observed.sequence, now):
                    await self._pass_on(session, observed, is_success=message.is_success)
        except BaseException:  # also when its time is over
            self._unacknowledged.keep(session, observed, is_uplink=is_uplink or moved)
            raise
        self._unacknowledged.forget(session, observed)
        return partial(session.has_epoch, record.epoch)

    async def publish(self, session: Session, observed: Observed) -> None:
        """Publish what an observed device has told, and remember that it is the newest."""
        if observed.attempt is not None and observed.state is not None:
            until = session.awake_until
            event = FirmwareStateNotified(
                app_id=session.record.app_id,
                occurred_at=utc(observed.at),
                device_id=session.record.device_id,
                execution_id=observed.attempt.execution_id,
                attempt=observed.attempt.attempt,
                state=observed.state,
                awake_until=utc(until),
                fetching=session.fetching == observed.attempt,
            )
            await self._publisher.publish_event(event)
            session.mark_reported(observed.at, until)
            self._counters[Counted.NOTIFIED] += 1
        if observed.sequence is not None:
            session.note_newest(observed.token, observed.sequence, observed.at)

    async def _publish_kept(self, session: Session, kept: Kept) -> None:
        """Publish late what a device has told: as of now, for the times of the next step begin when Kafka knows."""
        now = self._clock()
        if kept.is_uplink and now < session.awake_until:
            await self._reporter.report(session, UplinkKind.NOTIFY, now)
        await self.publish(session, kept.observed._replace(at=now))

    def _observe_again(self, session: Session) -> None:
        if self._sessions.owned(session.record.device_id) is session:
            self._observe(session)

    @staticmethod
    def _note_uplink(session: Session, observed: Observed, *, is_success: bool) -> bool:
        """Note that the device is awake; return whether that must be reported."""
        restarting = observed.state is FirmwareState.UPDATING or (observed.state is None and is_success)
        return session.note_uplink(observed.at, restarting=restarting)

    def _state(self, session: Session, message: Message) -> FirmwareState | None:
        """Return the state; None if the device ends the observation (RFC 7641 §3.2) or the payload is no state."""
        if not message.is_success:
            return None
        try:
            return firmware_state(message, session.record.root)
        except PayloadError as error:
            if more := self._not_understood.count():
                device_id, reason = session.record.device_id, str(error)
                _log.info("notification_not_understood", device_id=device_id, reason=reason, count=more)
            return None

    async def _save_address(self, session: Session) -> None:
        """Let a restart know where the device has spoken from."""
        record = session.record
        if (address := session.moved_to) is not None:
            record = records.change_address(record, address, session.heard_at)
        await self._store.replace(session, record)

    async def _pass_on(self, session: Session, observed: Observed, *, is_success: bool) -> None:
        await self.publish(session, observed)
        if is_success and observed.state is None:
            self._read_state(session)
        elif not is_success and observed.token == session.record.observe_token:
            if more := self._ended.count():
                _log.warning("observation_ended_by_device", device_id=session.record.device_id, count=more)
            self._counters[Counted.UNOBSERVED] += 1
            self._observe(session)


def _ask_nothing(_session: Session) -> None:
    """Nobody asks devices yet."""
