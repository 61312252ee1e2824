"""Notifications of the firmware state (RFC 7641, OMA TS 1.0.2 §5.5.3), taken by their token alone.

A device may notify from another address (NAT rebinding) and, as Huawei's LiteOS client does, after a restart with the
token that it got before; but not from one that it has left (`address_owners`). A notification is
acknowledged when Kafka has it: LiteOS begins its download only then.
"""

from collections.abc import Callable
from functools import partial

import structlog

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import FirmwareState, FirmwareStateNotified, UplinkKind
from sluice_lwm2m.application.ports import Publisher
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.application.uplinks import UplinkReporter
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address, address_text
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.request_response import IsCurrent
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.encoding.errors import PayloadError
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
        store: RegistrationStore,
        publisher: Publisher,
        reporter: UplinkReporter,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._publisher = publisher
        self._reporter = reporter
        self._counters = counters
        self._clock = clock
        self._read_state: Callable[[Session], None] = _read_nothing

    def read_states_by(self, read_state: Callable[[Session], None]) -> None:
        """Set who reads the state of a device that notifies without telling it."""
        self._read_state = read_state

    def is_observed(self, token: bytes, remote: Address) -> bool:
        """Return whether a token is an observation's and speaks for its device from an address."""
        session = self._sessions.observed_by(token)
        return session is not None and remote not in session.former

    async def take(self, message: Message, remote: Address) -> IsCurrent | None:
        """Take a notification; returns when Kafka has what it says.

        A device that has restarted may notify the same byte for byte: under a new registration that is news.
        """
        session = self._sessions.observed_by(message.token)
        if session is None:
            return None
        is_current = partial(session.has_epoch, session.record.epoch)
        session.is_fresh = False
        now = self._clock()
        state = _state(session, message)
        moved = remote != session.remote and session.is_registered(now)
        if moved:
            self._sessions.owners.take(session, remote)
            await self._store.replace(session, records.change_address(session.record, address_text(remote), now))
        is_unknown = state is None and message.is_success
        if session.note_uplink(now, restarting=is_unknown or state is FirmwareState.UPDATING) or moved:
            await self._reporter.report(session, UplinkKind.NOTIFY, now)
        sequence = message.uint(coap.OBSERVE)
        is_news = sequence is None or session.accept_sequence(sequence, now)
        if state is not None and is_news:
            await self.publish(session, state, now)
        elif is_unknown and is_news:
            self._read_state(session)
        return is_current

    async def publish(self, session: Session, state: FirmwareState, now: float) -> None:
        """Publish the firmware state of an observed device."""
        record, until = session.record, session.awake_until
        attempt = record.observe_attempt
        if attempt is None:
            return
        event = FirmwareStateNotified(
            app_id=record.app_id,
            occurred_at=utc(now),
            device_id=record.device_id,
            execution_id=attempt.execution_id,
            attempt=attempt.attempt,
            state=state,
            awake_until=utc(until),
            fetching=session.fetching == attempt,
        )
        await self._publisher.publish_event(event)
        session.mark_reported(now, until)
        self._counters[Counted.NOTIFIED] += 1


def _state(session: Session, message: Message) -> FirmwareState | None:
    """Return the state; None if the device ends the observation (RFC 7641 §3.2) or the payload is no state."""
    if not message.is_success:
        return None
    try:
        return firmware_state(message, session.record.root)
    except PayloadError as error:
        _log.info("notification_not_understood", device_id=session.record.device_id, reason=str(error))
        return None


def _read_nothing(_session: Session) -> None:
    """Nobody reads states yet."""
