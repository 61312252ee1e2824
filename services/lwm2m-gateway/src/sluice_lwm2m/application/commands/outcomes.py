"""The one outcome that answers a command, and what the scheduler knows of the device after it."""

from collections import Counter
from collections.abc import Callable

import structlog

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus, RequestResult, UplinkKind
from sluice_common.messages.lwm2m_commands import DeviceRequests, Lwm2mCommand
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.ports import Publisher
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.application.uplinks import UplinkReporter
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
_REACHED = frozenset((OutcomeStatus.DONE, OutcomeStatus.ALREADY_SENT))
"""Outcomes that tell the scheduler that the device is awake; others may come too late for an execution that waits."""


class CommandOutcomes:
    """Publishes outcomes."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        mailbox: Mailbox,
        store: RegistrationStore,
        publisher: Publisher,
        reporter: UplinkReporter,
        clock: Callable[[], float],
    ) -> None:
        self.published: Counter[str] = Counter()
        """Outcomes by status."""
        self._sessions = sessions
        self._mailbox = mailbox
        self._store = store
        self._publisher = publisher
        self._reporter = reporter
        self._clock = clock

    async def publish(
        self, command: Lwm2mCommand, status: OutcomeStatus, results: tuple[RequestResult, ...] = ()
    ) -> None:
        """Publish the outcome of a command in a turn of its device; return when Kafka has it."""
        async with self._mailbox.work_for(command.device_id):
            await self._publish(command, status, results)

    async def _publish(self, command: Lwm2mCommand, status: OutcomeStatus, results: tuple[RequestResult, ...]) -> None:
        session = self._sessions.owned(command.device_id)
        if session is not None and isinstance(command, DeviceRequests):
            await self._clear_observation(session, command)
        awake_until = None if session is None else session.awake_until or None
        attempt = records.attempt_of(command)
        fetching = session is not None and attempt is not None and session.fetching == attempt
        event = outcome_of(command, status, self._clock(), results, awake_until, fetching=fetching)
        await self._publisher.publish_event(event)
        self.published[status.value] += 1
        if session is not None:
            reached = isinstance(command, DeviceRequests) and status in _REACHED
            await self._note_reported(session, status, awake_until if reached else None)
        _log.debug("command_answered", device_id=command.device_id, command_id=command.command_id, status=status.value)

    async def _clear_observation(self, session: Session, command: DeviceRequests) -> None:
        record = records.clear_observation(session.record, command, self._clock())
        if record is not session.record:
            await self._store.replace(session, record)

    async def _note_reported(self, session: Session, status: OutcomeStatus, until: float | None) -> None:
        """Note which window the outcome has reported: one until a time, or none, so that the next uplink is reported.

        A device that sent something while the outcome `asleep` was being published is reported at once.
        """
        if until is not None:
            session.mark_reported(self._clock(), until)
            return
        session.clear_reported()
        if status is OutcomeStatus.ASLEEP and session.is_reachable(self._clock()):
            await self._reporter.report(session, UplinkKind.DATA, self._clock())


def outcome_of(
    command: Lwm2mCommand,
    status: OutcomeStatus,
    now: float,
    results: tuple[RequestResult, ...] = (),
    awake_until: float | None = None,
    *,
    fetching: bool = False,
) -> CommandOutcome:
    """Return the outcome of a command, at a time in seconds since 1970."""
    return CommandOutcome(
        app_id=command.app_id,
        occurred_at=utc(now),
        traceparent=command.traceparent,
        device_id=command.device_id,
        command_id=command.command_id,
        execution_id=command.execution_id,
        attempt=command.attempt,
        status=status,
        results=results,
        awake_until=None if awake_until is None else utc(awake_until),
        fetching=fetching,
    )
