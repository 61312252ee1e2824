"""Commands to devices: one request in flight per device, any number of devices at once.

A command is answered by one outcome. One for a device that sleeps is answered at once and not kept: the scheduler asks
again at the next uplink (`docs/upgrade.md`, "Sleeping devices").
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sluice_common.background import BackgroundTasks
from sluice_common.messages.base import utc
from sluice_common.messages.device_events import OutcomeStatus, RequestResult
from sluice_common.messages.lwm2m_commands import CloseDownload, Lwm2mCommand, Read
from sluice_common.supervision import is_fatal, note_failure, persist
from sluice_common.tracing import record
from sluice_lwm2m.application.commands.observation_renewal import ObservationRenewal, Renewal
from sluice_lwm2m.application.commands.outcomes import CommandOutcomes
from sluice_lwm2m.application.commands.runner import CommandRunner, OnAnswered, PendingCommand
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.ports import RequestSender
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.requests import FIRMWARE_STATE, without_values
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions


@dataclass(slots=True)
class _DeviceQueue:
    """The commands of one device, in order; an event is set when its turn comes."""

    waiting: deque[PendingCommand | Renewal | asyncio.Event]
    worker: asyncio.Task[None]
    current: PendingCommand | Renewal | asyncio.Event | None = None


class DeviceCommands:
    """Takes commands; each fails alone, and while Kafka is away its outcome waits."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        mailbox: Mailbox,
        store: RegistrationStore,
        runner: CommandRunner,
        renewal: ObservationRenewal,
        outcomes: CommandOutcomes,
        sender: RequestSender,
        tasks: BackgroundTasks,
        max_waiting: int,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._mailbox = mailbox
        self._store = store
        self._runner = runner
        self._renewal = renewal
        self._outcomes = outcomes
        self._sender = sender
        self._tasks = tasks
        self._max_waiting = max_waiting
        self._counters = counters
        self._clock = clock
        self._queues: dict[str, _DeviceQueue] = {}
        self._running: set[asyncio.Task[None]] = set()

    @property
    def outcomes(self) -> Mapping[str, int]:
        """Return how many commands have ended, by the status of their outcome."""
        return self._outcomes.published

    @property
    def waiting(self) -> int:
        """Return how many commands are not answered yet."""
        return sum(len(queue.waiting) for queue in self._queues.values()) + len(self._running)

    async def drain(self) -> None:
        """Return when all commands are answered."""
        while self._running:
            await asyncio.wait(self._running)

    def submit(self, command: Lwm2mCommand, on_answered: OnAnswered, *, status: OutcomeStatus | None = None) -> None:
        """Take a command.

        Args:
            command: The command.
            on_answered: Called when Kafka has its outcome.
            status: Ends it without sending anything.
        """
        self._counters[Counted.COMMANDS] += 1
        if status is not None:
            self._start(command.device_id, self._answer(command, on_answered, status))
        elif isinstance(command, CloseDownload):
            self._fence(command)
            self._start(command.device_id, self._close(command, on_answered))
        else:
            self._enqueue(command.device_id, PendingCommand(command, on_answered))

    def renew_observation(self, session: Session) -> None:
        """Renew a device's observation, if it has one, after the commands that it has now."""
        if session.record.observe_token is not None:
            self._enqueue(session.record.device_id, Renewal(session, session.record.epoch))

    def read_state(self, session: Session) -> None:
        """Read the firmware state of an observed device that notified without telling it, and publish that."""
        request = Read(path=FIRMWARE_STATE)
        self._enqueue(session.record.device_id, Renewal(session, session.record.epoch, request))

    async def wait_idle(self, device_id: str) -> None:
        """Return when all commands that a device has now are answered, whatever comes after them.

        The outcomes of commands that a new registration has ended are published before the registration is reported:
        the scheduler can send them again.
        """
        if (queue := self._queues.get(device_id)) is not None:
            reached = asyncio.Event()
            queue.waiting.append(reached)
            await reached.wait()

    def _enqueue(self, device_id: str, job: PendingCommand | Renewal) -> None:
        queue = self._queues.get(device_id)
        if queue is None:
            self._queues[device_id] = _DeviceQueue(deque((job,)), self._start(device_id, self._work(device_id)))
        elif len(queue.waiting) < self._max_waiting:
            queue.waiting.append(job)
        elif isinstance(job, PendingCommand):
            self._start(device_id, self._answer(job.command, job.on_answered, OutcomeStatus.ASLEEP))

    def _start(self, device_id: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.run("command_failed", work, device_id=device_id)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _work(self, device_id: str) -> None:
        queue = self._queues[device_id]
        try:
            while queue.waiting:
                queue.current = job = queue.waiting.popleft()
                if isinstance(job, asyncio.Event):
                    job.set()
                else:
                    await (self._run(job) if isinstance(job, PendingCommand) else self._renew(job))
        finally:
            del self._queues[device_id]
            for job in queue.waiting:
                if isinstance(job, asyncio.Event):
                    job.set()

    async def _run(self, pending: PendingCommand) -> None:
        """Run a command; one that fails here may have been sent, which the scheduler settles by reading."""
        status, results, began = OutcomeStatus.TIMEOUT, tuple[RequestResult, ...](), time.time()
        try:
            status, results = await self._runner.run(pending)
        except Exception as error:
            if is_fatal(error):
                raise
            note_failure("command_failed", error, device_id=pending.command.device_id)
            self._counters[Counted.FAILED] += 1
        await self._publish(pending.command, status, results)
        command = pending.command
        record("lwm2m command", command.traceparent, began, command_id=command.command_id, outcome=status.value)
        pending.on_answered()

    async def _renew(self, renewal: Renewal) -> None:
        try:
            await self._renewal.run(renewal)
        except Exception as error:
            if is_fatal(error):
                raise
            note_failure("renewal_failed", error, device_id=renewal.session.record.device_id)
            self._counters[Counted.FAILED] += 1

    def _fence(self, close: CloseDownload) -> None:
        """Fence the earlier commands of the attempt; later ones belong to another slot of it."""
        queue, session = self._queues.get(close.device_id), self._sessions.owned(close.device_id)
        if queue is None:
            return
        for job in (queue.current, *queue.waiting):
            if isinstance(job, PendingCommand) and records.is_closed_by(job.command, close):
                job.fenced = True
        if session is not None and isinstance(queue.current, PendingCommand) and queue.current.fenced:
            self._sender.abort(session)

    async def _close(self, command: CloseDownload, on_answered: OnAnswered) -> None:
        """Fence an attempt; `done` says that this gateway serves no more of it, and speaks for no other.

        Of a device that is another gateway's, nothing is served here, nor if it comes back (`records.register`).
        """
        session = self._sessions.owned(command.device_id)
        if session is not None:
            self._sessions.replace(session, records.close_download(session.record, command, utc(self._clock())))
            await persist("close_not_saved", partial(self._save, session), device_id=command.device_id)
        if command.is_awaited:
            await self._answer(command, on_answered, OutcomeStatus.DONE)
        else:
            on_answered()

    async def _save(self, session: Session) -> None:
        async with self._mailbox.work_for(session.record.device_id):
            await self._store.save(session)

    async def _answer(self, command: Lwm2mCommand, on_answered: OnAnswered, status: OutcomeStatus) -> None:
        await self._publish(command, status)
        on_answered()

    async def _publish(
        self, command: Lwm2mCommand, status: OutcomeStatus, results: tuple[RequestResult, ...] = ()
    ) -> None:
        """Publish an outcome, however long Kafka is away: the device has had its part.

        What no topic takes for the values in it is published without them. What is not taken either is lost, and the
        scheduler's deadline passes.
        """
        device_id, command_id = command.device_id, command.command_id
        for publishable in (results, without_values(results)):
            publish = partial(self._outcomes.publish, command, status, publishable)
            try:
                await persist("outcome_not_published", publish, device_id=device_id, command_id=command_id)
            except Exception as error:
                if is_fatal(error):
                    raise
                note_failure("outcome_lost", error, device_id=device_id, command_id=command_id)
                self._counters[Counted.FAILED] += 1
            else:
                return
