"""One command at its device: the requests one after the other, the first that fails ends it.

What must survive a crash (the observation's token, the attempt whose image is served, the Execute) is in Kafka before
anything is sent.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from os import urandom

import msgspec

from sluice_common.messages.device_events import OutcomeStatus, RequestResult
from sluice_common.messages.lwm2m_commands import DeviceRequest, DeviceRequests, Execute, Observe, WritePackageUri
from sluice_common.messages.registrations import Registration
from sluice_common.supervision import is_fatal, note_failure, persist
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.ports import NoAnswerError
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.precheck import precheck
from sluice_lwm2m.domain.requests import RESTARTING, coap_request, path_of, result_of
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

_TOKEN_BYTES = 8

SignUri = Callable[[DeviceRequests, WritePackageUri], str]
OnAnswered = Callable[[], None]


@dataclass(slots=True)
class PendingCommand:
    """A command that is not answered yet.

    Attributes:
        command: The command.
        on_answered: Called when Kafka has its outcome.
        fenced: Whether its attempt was closed after it came: nothing more of it is sent.
    """

    command: DeviceRequests
    on_answered: OnAnswered
    fenced: bool = False


class CommandRunner:
    """Runs commands, of each device one at a time."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        mailbox: Mailbox,
        store: RegistrationStore,
        requester: Requester,
        sign: SignUri,
        suspension: float,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            sessions: The devices.
            mailbox: Their turns.
            store: Keeps what must survive.
            requester: Sends the requests.
            sign: Returns the image URI of a `WritePackageUri`.
            suspension: Seconds without sends after an Execute that restarts the device.
            counters: Count answers that could not be handled.
            clock: Seconds since 1970.
        """
        self._sessions = sessions
        self._mailbox = mailbox
        self._store = store
        self._requester = requester
        self._sign = sign
        self._suspension = suspension
        self._counters = counters
        self._clock = clock

    async def run(self, pending: PendingCommand) -> tuple[OutcomeStatus, tuple[RequestResult, ...]]:
        """Run a command; return how it ended and the answers that came."""
        command = pending.command
        async with self._mailbox.work_for(command.device_id):
            session = self._sessions.owned(command.device_id)
            status = precheck(command, self._sessions.record(command.device_id), session, self._clock())
            if session is None or status is not None or pending.fenced:
                return status or OutcomeStatus.STALE, ()
            before = session.record.last_execute_id
            self._prepare(session, command)
        await self._save(session)
        results: list[RequestResult] = []
        status = await self._ask_all(session, pending, results)
        if status is OutcomeStatus.STALE or (results and results[-1].max_age is not None):
            async with self._mailbox.work_for(command.device_id):
                if self._sessions.owned(command.device_id) is session:
                    self._change(session, records.restore_last_execute(session.record, command, before, self._clock()))
            await self._save(session)
        return status, tuple(results)

    def _prepare(self, session: Session, command: DeviceRequests) -> None:
        """Note what a restart must know of a command."""
        token = urandom(_TOKEN_BYTES).hex()
        self._change(session, records.prepare(session.record, command, token, self._clock()))
        if any(isinstance(request, WritePackageUri) for request in command.requests):
            session.fetching = None

    def _change(self, session: Session, record: Registration) -> None:
        if record is not session.record:
            self._sessions.replace(session, record)

    async def _save(self, session: Session) -> None:
        """Return when Kafka has what was noted: nothing is sent while it is away, nor at all if it expires by then."""
        if not session.is_saved:
            device_id = session.record.device_id
            await persist("command_not_prepared", partial(self._save_once, session), device_id=device_id)

    async def _save_once(self, session: Session) -> None:
        async with self._mailbox.work_for(session.record.device_id):
            await self._store.save(session)

    async def _ask_all(self, session: Session, pending: PendingCommand, results: list[RequestResult]) -> OutcomeStatus:
        command = pending.command
        for request in command.requests:
            if pending.fenced or self._is_late(session, command):
                return OutcomeStatus.TIMEOUT if results else OutcomeStatus.STALE
            try:
                async with asyncio.timeout(command.expires_at.timestamp() - self._clock()):
                    result = await self._ask(session, command, request)
            except (NoAnswerError, TimeoutError):
                self._suspend_sends(session, command, request)
                return OutcomeStatus.TIMEOUT
            except Exception as error:  # the last barrier: whatever a device answers ends its request only
                if is_fatal(error):
                    raise
                result = self._unhandled(command, request, error)
            results.append(result)
            if not result.ok:
                break
            self._suspend_sends(session, command, request)
        return OutcomeStatus.DONE

    def _unhandled(self, command: DeviceRequests, request: DeviceRequest, error: Exception) -> RequestResult:
        """Return the result of a request whose answer the platform has failed to handle."""
        path = path_of(request)
        note_failure("answer_failed", error, device_id=command.device_id, command_id=command.command_id, path=path)
        self._counters[Counted.FAILED] += 1
        code = coap.code_text(coap.INTERNAL_SERVER_ERROR)
        return RequestResult(path=path, code=code, error="the platform could not handle the answer")

    def _is_late(self, session: Session, command: DeviceRequests) -> bool:
        now = self._clock()
        return session.destination(command.epoch, now) is None or now >= command.expires_at.timestamp()

    async def _ask(self, session: Session, command: DeviceRequests, request: DeviceRequest) -> RequestResult:
        root = session.record.root
        try:
            message = coap_request(request, partial(self._sign, command), root)
        except ValueError as error:  # LwM2M has no such request, or no token can express it
            return RequestResult(path=path_of(request), code=coap.code_text(coap.BAD_REQUEST), error=str(error))
        if isinstance(request, Execute):  # it may restart the device before it answers
            session.is_fresh = False
        token = None
        if message.observation and records.observes(session.record, command):
            token = session.record.observe_token
        answer = await self._requester.ask(session, message, token)
        result = result_of(request, answer.message, root)
        if not isinstance(request, Observe) or token is None:
            return result
        if not answer.is_newest:  # a notification has overtaken it, and has told more
            return msgspec.structs.replace(result, values={})
        if answer.sequence is not None:
            session.note_newest(token, answer.sequence, self._clock())
        return result

    def _suspend_sends(self, session: Session, command: DeviceRequests, request: DeviceRequest) -> None:
        """Send nothing for a while after an Execute that restarts the device, unless it has registered anew already."""
        if isinstance(request, Execute) and request.path in RESTARTING and session.record.epoch == command.epoch:
            session.suspended_until = self._clock() + self._suspension
