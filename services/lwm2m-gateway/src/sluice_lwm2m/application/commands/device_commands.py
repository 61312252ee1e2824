"""Commands to devices: one request in flight per device, any number of devices at once.

A command is answered by one outcome. One for a device that sleeps is answered at once and not kept: the scheduler asks
again at the next uplink (`docs/upgrade.md`, "Sleeping devices").
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.lwm2m_commands import CloseDownload, Lwm2mCommand, Read
from sluice_lwm2m.application.commands.observation_renewal import ObservationRenewal, Renewal
from sluice_lwm2m.application.commands.outcomes import CommandOutcomes
from sluice_lwm2m.application.commands.runner import CommandRunner, OnAnswered, PendingCommand
from sluice_lwm2m.application.ports import RequestSender
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.counters import Counted, Counters
from sluice_lwm2m.domain.requests import FIRMWARE_STATE
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions


@dataclass(slots=True)
class _DeviceQueue:
    """The commands of one device, in order."""

    waiting: deque[PendingCommand | Renewal]
    worker: asyncio.Task[None]
    current: PendingCommand | Renewal | None = None


class DeviceCommands:
    """Takes commands; one whose outcome Kafka does not get ends the process, which reads the command again."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        store: RegistrationStore,
        runner: CommandRunner,
        renewal: ObservationRenewal,
        outcomes: CommandOutcomes,
        sender: RequestSender,
        max_waiting: int,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._runner = runner
        self._renewal = renewal
        self._outcomes = outcomes
        self._sender = sender
        self._max_waiting = max_waiting
        self._counters = counters
        self._clock = clock
        self._queues: dict[str, _DeviceQueue] = {}
        self._group: asyncio.TaskGroup
        self._running: set[asyncio.Task[None]] = set()

    def run_in(self, group: asyncio.TaskGroup) -> None:
        """Set the group that fails with the first outcome that Kafka does not get."""
        self._group = group

    async def drain(self) -> None:
        """Return when all commands are answered, or their group has failed."""
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
            self._start(self._answer(command, on_answered, status))
        elif isinstance(command, CloseDownload):
            self._fence(command)
            self._start(self._close(command, on_answered))
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
        """Return when all commands that a device has now are answered.

        The outcomes of commands that a new registration has ended are published before the registration is reported:
        the scheduler can send them again.
        """
        if (queue := self._queues.get(device_id)) is not None:
            await asyncio.wait((queue.worker,))

    def _enqueue(self, device_id: str, job: PendingCommand | Renewal) -> None:
        queue = self._queues.get(device_id)
        if queue is None:
            self._queues[device_id] = _DeviceQueue(deque((job,)), self._start(self._work(device_id)))
        elif len(queue.waiting) < self._max_waiting:
            queue.waiting.append(job)
        elif isinstance(job, PendingCommand):
            self._start(self._answer(job.command, job.on_answered, OutcomeStatus.ASLEEP))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _work(self, device_id: str) -> None:
        queue = self._queues[device_id]
        try:
            while queue.waiting:
                queue.current = job = queue.waiting.popleft()
                await (self._run(job) if isinstance(job, PendingCommand) else self._renewal.run(job))
        finally:
            del self._queues[device_id]

    async def _run(self, pending: PendingCommand) -> None:
        status, results = await self._runner.run(pending)
        await self._outcomes.publish(pending.command, status, results)
        pending.on_answered()

    def _fence(self, close: CloseDownload) -> None:
        """Fence the earlier commands of the attempt; later ones belong to another slot of it."""
        queue, session = self._queues.get(close.device_id), self._sessions.owned(close.device_id)
        if queue is None or session is None:
            return
        for job in (queue.current, *queue.waiting):
            if isinstance(job, PendingCommand) and records.is_closed_by(job.command, close):
                job.fenced = True
        if isinstance(queue.current, PendingCommand) and queue.current.fenced:
            self._sender.abort(session)

    async def _close(self, command: CloseDownload, on_answered: OnAnswered) -> None:
        session = self._sessions.owned(command.device_id)
        if session is not None:
            await self._store.replace(session, records.close_download(session.record, command, utc(self._clock())))
        if command.is_awaited:
            await self._answer(command, on_answered, OutcomeStatus.STALE if session is None else OutcomeStatus.DONE)
        else:
            on_answered()

    async def _answer(self, command: Lwm2mCommand, on_answered: OnAnswered, status: OutcomeStatus) -> None:
        await self._outcomes.publish(command, status)
        on_answered()
