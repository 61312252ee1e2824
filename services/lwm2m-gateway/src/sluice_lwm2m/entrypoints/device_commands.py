"""Commands to devices: one request in flight per device, any number of devices at once.

What must survive a crash (the observation's token, the attempt whose image is served, the Execute) is in Kafka before
anything is sent. A command is answered by one outcome; nothing is kept for sleepers (design §5).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from os import urandom
from typing import NamedTuple

import structlog

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus, RequestResult, UplinkKind
from sluice_common.messages.lwm2m_commands import (
    CloseDownload,
    DeviceRequest,
    DeviceRequests,
    Execute,
    Lwm2mCommand,
    Observe,
    WritePackageUri,
)
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.adapters.device_events import DeviceEvents
from sluice_lwm2m.adapters.exchanges import NoAnswerError
from sluice_lwm2m.adapters.registration_log import RegistrationLog
from sluice_lwm2m.adapters.requester import Requester
from sluice_lwm2m.domain import coap, records
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.errors import PayloadError
from sluice_lwm2m.domain.refusals import refusal
from sluice_lwm2m.domain.requests import (
    FIRMWARE_STATE,
    RESTARTING,
    firmware_state,
    outgoing,
    path_of,
    result_of,
)
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
_TOKEN_BYTES = 8
_STALE = OutcomeStatus.STALE

Done = Callable[[], None]
SignUri = Callable[[DeviceRequests, WritePackageUri], str]
PublishState = Callable[[Session, int, float], Awaitable[None]]


class _Job(NamedTuple):
    command: DeviceRequests | None
    run: Callable[[], Awaitable[None]]


class DeviceCommands:
    """Runs commands; a failure to tell Kafka of one ends the process, which reads it again."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        requester: Requester,
        log: RegistrationLog,
        events: DeviceEvents,
        sign: SignUri,
        publish_state: PublishState,
        silence: float,
        most_waiting: int,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._requester = requester
        self._log = log
        self._events = events
        self._sign = sign
        self._publish_state = publish_state
        self._silence = silence
        self._most_waiting = most_waiting
        self._counters = counters
        self._clock = clock
        self._waiting: dict[str, deque[_Job]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._fenced: dict[str, set[AttemptRef]] = {}  # closed while commands of that device were waiting
        self._tasks: asyncio.TaskGroup

    def run_in(self, tasks: asyncio.TaskGroup) -> None:
        """Set the group that fails with the first command that Kafka cannot be told of."""
        self._tasks = tasks

    def submit(self, command: Lwm2mCommand, done: Done, *, status: OutcomeStatus | None = None) -> None:
        """Take a command.

        Args:
            command: The command.
            done: Called when Kafka has its outcome.
            status: Ends it without sending anything.
        """
        self._counters[Counted.COMMANDS] += 1
        if isinstance(command, CloseDownload):
            self._tasks.create_task(self._close(command, done))
        elif status is not None:
            self._tasks.create_task(self._end(command, done, status))
        else:
            self._enqueue(command.device_id, _Job(command, partial(self._run, command, done)), done)

    def observe_again(self, session: Session) -> None:
        """Renew a device's observation, for example at its new address (RFC 7641 §3.3.1)."""
        if session.record.observe_token is not None:
            job = _Job(None, partial(self._observe_again, session, session.record.epoch))
            self._enqueue(session.record.device_id, job, None)

    def interrupt(self, session: Session) -> None:
        """Give up the request in flight: the device registers anew and will not answer it."""
        self._requester.abort(session)

    async def settled(self, device_id: str) -> None:
        """Return when all commands that a device has now are answered.

        The scheduler hears of the end of what it asked before it hears of a new registration, and can ask again.
        """
        if (worker := self._workers.get(device_id)) is not None:
            await asyncio.wait((worker,))

    def _enqueue(self, device_id: str, job: _Job, done: Done | None) -> None:
        waiting = self._waiting.get(device_id)
        if waiting is None:
            self._waiting[device_id] = deque((job,))
            self._workers[device_id] = self._tasks.create_task(self._work(device_id))
        elif len(waiting) < self._most_waiting:
            waiting.append(job)
        elif job.command is not None and done is not None:
            self._tasks.create_task(self._end(job.command, done, OutcomeStatus.ASLEEP))

    async def _work(self, device_id: str) -> None:
        waiting = self._waiting[device_id]
        try:
            while waiting:
                await waiting.popleft().run()
        finally:
            del self._waiting[device_id]
            del self._workers[device_id]
            self._fenced.pop(device_id, None)

    async def _run(self, command: DeviceRequests, done: Done) -> None:
        now = self._clock()
        session = self._sessions.owned(command.device_id)
        status = refusal(command, self._sessions.record(command.device_id), session, now)
        if session is None or status is not None or self._is_fenced(command):
            await self._end(command, done, status or _STALE)
            return
        await self._save(session, records.prepare(session.record, command, urandom(_TOKEN_BYTES).hex(), now))
        results: list[RequestResult] = []
        status = await self._ask_all(session, command, results)
        if status is _STALE:
            await self._save(session, records.unsend(session.record, command, self._clock()))
        await self._end(command, done, status, tuple(results))

    async def _save(self, session: Session, record: Registration) -> None:
        if record is not session.record:
            self._sessions.replace(session, record)
        await self._log.save(session)

    async def _ask_all(self, session: Session, command: DeviceRequests, results: list[RequestResult]) -> OutcomeStatus:
        for request in command.requests:
            if self._is_late(session, command) or self._is_fenced(command):
                return OutcomeStatus.TIMEOUT if results else OutcomeStatus.STALE
            try:
                result = await self._ask(session, command, request)
            except NoAnswerError:
                self._quieten(session, command, request)
                return OutcomeStatus.TIMEOUT
            results.append(result)
            if not result.ok:
                break
            self._quieten(session, command, request)
        return OutcomeStatus.DONE

    def _is_late(self, session: Session, command: DeviceRequests) -> bool:
        return session.record.epoch != command.epoch or self._clock() >= command.expires_at.timestamp()

    def _is_fenced(self, command: DeviceRequests) -> bool:
        """Whether the command would begin the download of an attempt that was closed while it waited."""
        fenced = self._fenced.get(command.device_id)
        begins = any(isinstance(request, WritePackageUri) for request in command.requests)
        return fenced is not None and begins and records.attempt_of(command) in fenced

    async def _ask(self, session: Session, command: DeviceRequests, request: DeviceRequest) -> RequestResult:
        try:
            message = outgoing(request, partial(self._sign, command))
        except ValueError as error:  # nothing that a device could be asked, or that a token can express
            return RequestResult(path=path_of(request), code=coap.code_text(coap.BAD_REQUEST), error=str(error))
        token = None
        if message.observation and records.observes(session.record, command):
            token = session.record.observe_token
        return result_of(request, await self._requester.ask(session, message, token))

    def _quieten(self, session: Session, command: DeviceRequests, request: DeviceRequest) -> None:
        """Send nothing after an Execute that restarts the device, unless it has registered anew already."""
        if isinstance(request, Execute) and request.path in RESTARTING and session.record.epoch == command.epoch:
            session.quiet_until = self._clock() + self._silence

    async def _observe_again(self, session: Session, epoch: int) -> None:
        record = session.record
        if record.epoch != epoch or record.observe_token is None or not session.reachable(self._clock()):
            return
        message = outgoing(Observe(path=FIRMWARE_STATE), lambda _: "")
        try:
            response = await self._requester.ask(session, message, record.observe_token)
            state = firmware_state(response)
        except (NoAnswerError, PayloadError):
            return
        await self._publish_state(session, state, self._clock())

    async def _close(self, command: CloseDownload, done: Done) -> None:
        session = self._sessions.owned(command.device_id)
        status = OutcomeStatus.STALE
        if session is not None:
            attempt = AttemptRef(execution_id=command.execution_id, attempt=command.attempt)
            if command.device_id in self._waiting:
                self._fenced.setdefault(command.device_id, set()).add(attempt)
            await self._save(session, records.close(session.record, attempt, utc(self._clock())))
            status = OutcomeStatus.DONE
        await self._end(command, done, status)

    async def _end(
        self,
        command: Lwm2mCommand,
        done: Done,
        status: OutcomeStatus,
        results: tuple[RequestResult, ...] = (),
    ) -> None:
        session = self._sessions.owned(command.device_id)
        if session is not None and isinstance(command, DeviceRequests):
            await self._forget_observation(session, command)
        now = self._clock()
        until = 0.0 if session is None else session.awake_until
        outcome = CommandOutcome(
            app_id=command.app_id,
            occurred_at=utc(now),
            traceparent=command.traceparent,
            device_id=command.device_id,
            command_id=command.command_id,
            execution_id=command.execution_id,
            attempt=command.attempt,
            status=status,
            results=results,
            awake_until=None if session is None else utc(until),
        )
        await self._events.publish(command.device_id, outcome)
        if session is not None:
            await self._tell(session, status, now, until)
        _log.debug("command_answered", device_id=command.device_id, command_id=command.command_id, status=status.value)
        done()

    async def _forget_observation(self, session: Session, command: DeviceRequests) -> None:
        record = records.forget_observation(session.record, command, self._clock())
        if record is not session.record:
            await self._save(session, record)

    async def _tell(self, session: Session, status: OutcomeStatus, now: float, until: float) -> None:
        """Note what the scheduler knows now; tell it of a device that spoke while it was being called asleep."""
        if status not in {OutcomeStatus.ASLEEP, OutcomeStatus.TIMEOUT}:
            session.told(now, until)
            return
        session.untold()
        if status is OutcomeStatus.ASLEEP and session.reachable(self._clock()):
            await self._events.uplink(session, UplinkKind.DATA, self._clock())
