"""Commands to devices: one request in flight per device, any number of devices at once.

What must survive a crash (the observation's token, the attempt whose image is served, the Execute) is in Kafka before
anything is sent. A command is answered by one outcome; nothing is kept for sleepers (`docs/upgrade.md`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.adapters.device_events import DeviceEvents
from sluice_lwm2m.adapters.exchanges import NoAnswerError
from sluice_lwm2m.adapters.registration_log import RegistrationLog
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.precheck import refusal
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
_REACHED = frozenset((OutcomeStatus.DONE, OutcomeStatus.ALREADY_SENT))
"""What a scheduler that still waits takes for a sign of the device; whatever else it hears may come too late for it."""

Done = Callable[[], None]
SignUri = Callable[[DeviceRequests, WritePackageUri], str]
PublishState = Callable[[Session, int, float], Awaitable[None]]


@dataclass(slots=True)
class _Job:
    """A command; `fenced` if its attempt was closed after it came."""

    command: DeviceRequests
    done: Done
    fenced: bool = False


class _Renewal(NamedTuple):
    """An observation to be renewed for a registration."""

    session: Session
    epoch: int


@dataclass(slots=True)
class _Line:
    """What one device is asked, one after the other."""

    waiting: deque[_Job | _Renewal]
    worker: asyncio.Task[None]
    current: _Job | _Renewal | None = None


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
        max_waiting: int,
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
        self._max_waiting = max_waiting
        self._counters = counters
        self._clock = clock
        self._lines: dict[str, _Line] = {}
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
        if status is not None:
            self._tasks.create_task(self._end(command, done, status))
        elif isinstance(command, CloseDownload):
            self._fence(command)
            self._tasks.create_task(self._close(command, done))
        else:
            self._enqueue(command.device_id, _Job(command, done))

    def observe_again(self, session: Session) -> None:
        """Renew a device's observation, for example at its new address (RFC 7641 §3.3.1)."""
        if session.record.observe_token is not None:
            self._enqueue(session.record.device_id, _Renewal(session, session.record.epoch))

    def interrupt(self, session: Session) -> None:
        """Give up the request in flight: the device registers anew and will not answer it."""
        self._requester.abort(session)

    async def settled(self, device_id: str) -> None:
        """Return when all commands that a device has now are answered.

        The scheduler hears of the end of what it asked before it hears of a new registration, and can ask again.
        """
        if (line := self._lines.get(device_id)) is not None:
            await asyncio.wait((line.worker,))

    def _enqueue(self, device_id: str, job: _Job | _Renewal) -> None:
        line = self._lines.get(device_id)
        if line is None:
            self._lines[device_id] = _Line(deque((job,)), self._tasks.create_task(self._work(device_id)))
        elif len(line.waiting) < self._max_waiting:
            line.waiting.append(job)
        elif isinstance(job, _Job):
            self._tasks.create_task(self._end(job.command, job.done, OutcomeStatus.ASLEEP))

    async def _work(self, device_id: str) -> None:
        line = self._lines[device_id]
        try:
            while line.waiting:
                line.current = job = line.waiting.popleft()
                await (self._run(job) if isinstance(job, _Job) else self._observe_again(job))
        finally:
            del self._lines[device_id]

    def _fence(self, close: CloseDownload) -> None:
        """End what the attempt has asked of its device so far; it may get another slot and ask again."""
        line, session = self._lines.get(close.device_id), self._sessions.owned(close.device_id)
        if line is None or session is None:
            return
        for job in (line.current, *line.waiting):
            if isinstance(job, _Job) and records.is_closed_by(job.command, close):
                job.fenced = True
        if isinstance(line.current, _Job) and line.current.fenced:
            self._requester.abort(session)

    async def _run(self, job: _Job) -> None:
        command, now = job.command, self._clock()
        session = self._sessions.owned(command.device_id)
        status = refusal(command, self._sessions.record(command.device_id), session, now)
        if session is None or status is not None or job.fenced:
            await self._end(command, job.done, status or _STALE)
            return
        await self._save(session, records.prepare(session.record, command, urandom(_TOKEN_BYTES).hex(), now))
        results: list[RequestResult] = []
        status = await self._ask_all(session, job, results)
        if status is _STALE:
            await self._save(session, records.unsend(session.record, command, self._clock()))
        await self._end(command, job.done, status, tuple(results))

    async def _save(self, session: Session, record: Registration) -> None:
        if record is not session.record:
            self._sessions.replace(session, record)
        await self._log.save(session)

    async def _ask_all(self, session: Session, job: _Job, results: list[RequestResult]) -> OutcomeStatus:
        command = job.command
        for request in command.requests:
            if job.fenced or self._is_late(session, command):
                return OutcomeStatus.TIMEOUT if results else _STALE
            try:
                async with asyncio.timeout(command.expires_at.timestamp() - self._clock()):
                    result = await self._ask(session, command, request)
            except (NoAnswerError, TimeoutError):
                self._quieten(session, command, request)
                return OutcomeStatus.TIMEOUT
            results.append(result)
            if not result.ok:
                break
            self._quieten(session, command, request)
        return OutcomeStatus.DONE

    def _is_late(self, session: Session, command: DeviceRequests) -> bool:
        return session.record.epoch != command.epoch or self._clock() >= command.expires_at.timestamp()

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

    async def _observe_again(self, renewal: _Renewal) -> None:
        session, epoch = renewal
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
        if session is not None:
            await self._save(session, records.close(session.record, command, utc(self._clock())))
        await self._end(command, done, _STALE if session is None else OutcomeStatus.DONE)

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
            reached = isinstance(command, DeviceRequests) and status in _REACHED
            await self._tell(session, status, until if reached else None)
        _log.debug("command_answered", device_id=command.device_id, command_id=command.command_id, status=status.value)
        done()

    async def _forget_observation(self, session: Session, command: DeviceRequests) -> None:
        record = records.forget_observation(session.record, command, self._clock())
        if record is not session.record:
            await self._save(session, record)

    async def _tell(self, session: Session, status: OutcomeStatus, until: float | None) -> None:
        """Note what the scheduler knows now: a window, or that it knows of none and the next word is news.

        A device that spoke while it was being called asleep is announced at once.
        """
        if until is not None:
            session.told(self._clock(), until)
            return
        session.untold()
        if status is OutcomeStatus.ASLEEP and session.reachable(self._clock()):
            await self._events.uplink(session, UplinkKind.DATA, self._clock())
