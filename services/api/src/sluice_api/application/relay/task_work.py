"""What the relay does for tasks: each is expanded, stopped or purged in pages, and they take turns.

Before each turn of another task those that are being stopped have theirs: a stop never waits for an expansion, nor a
task for ever for stops. A turn that fails ends that turn only: the task has another one after a back-off of its own.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import islice

import structlog

from sluice_api.application.relay.due_tasks import DueTasks
from sluice_api.application.relay.expansion import Expansion, LastPage, OvertakenError
from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.ports import Publisher, TaskEndings, TaskEndStore, TaskStore
from sluice_api.application.relay.records import DueTask
from sluice_api.application.relay.start_check import StartCheck
from sluice_api.application.relay.stop_and_purge import Purge, Stop
from sluice_api.application.relay.units import Units
from sluice_api.domain.models import Task, TaskStatus

_log = structlog.get_logger()
_MAX_STOPS = 50
"""Tasks being stopped that have a turn before one of another."""
Work = Expansion | LastPage | Stop | Purge


class UnreadableError(ValueError):
    """The document of a task is none; the text says why."""


class TaskWork:
    """Works on the tasks that are due.

    Args:
        store: Tasks that are due, and their expansion.
        ends: Tasks that end.
        outbox: The messages of tasks.
        publisher: To Kafka.
        start_check: Whether a task may begin.
        endings: Ends tasks.
        now: UTC time.
        page: Devices of a page.
    """

    def __init__(
        self,
        store: TaskStore,
        ends: TaskEndStore,
        *,
        outbox: Outbox,
        publisher: Publisher,
        start_check: StartCheck,
        endings: TaskEndings,
        now: Callable[[], datetime],
        page: int,
    ) -> None:
        self._store = store
        self._ends = ends
        self._outbox = outbox
        self._publisher = publisher
        self._start_check = start_check
        self._endings = endings
        self._now = now
        self._page = page
        self._works: dict[str, Work] = {}
        self._units = Units("task_turn_failed", "task_id")
        self._stops = DueTasks(store, stops=True)
        self._all = DueTasks(store, stops=False)

    async def work_on_due(self) -> bool:
        """Give tasks being stopped a turn each, then one other that is due; return whether anything was done."""
        await self._stops.fill(self._now())
        stopped = [await self._attempt(task_id) for task_id in islice(self._stops.rest(), _MAX_STOPS)]
        return await self._work_on_one() or any(stopped)

    async def _work_on_one(self) -> bool:
        await self._all.fill(self._now())
        for task_id in self._all.rest():
            if await self._attempt(task_id):
                return True
        return False

    async def _attempt(self, task_id: str) -> bool:
        return await self._units.attempt(task_id, partial(self._work_as_it_is, task_id))

    async def _work_as_it_is(self, task_id: str) -> None:
        """Read a task at the last moment: since it was chosen it may have been stopped, or have stopped."""
        if (due := await self._store.due_task(task_id, self._now())) is not None:
            await self._work_alone(due)

    async def _work_alone(self, due: DueTask) -> None:
        try:
            await self._work_on(due)
        except OvertakenError:
            _log.info("relay_overtaken", task_id=due.id)
            await self._leave(due.id)
        except BaseException:
            # Its cursor may be broken: it is opened again behind the checkpoint.
            await self._leave(due.id)
            raise

    async def _work_on(self, due: DueTask) -> None:
        """Publish the messages of a task, then do one page of what its state asks for.

        Raises:
            UnreadableError: Nobody can say what its state asks for.
        """
        if due.unreadable is not None:
            raise UnreadableError(due.unreadable)
        work = await self._work(due)
        if due.outbox or work is None:
            await self._outbox.deliver([due], done=work is None)
        if work is None or await self._must_wait(work) or await self._must_not_begin(work, due.task):
            return await self._leave(due.id)
        if await work.step(self._now()):
            return None
        await work.finish()
        await self._leave(due.id)
        # Its last execution may have ended before it was complete.
        await self._endings.end_if_done(due.id, self._now())
        return None

    async def _must_wait(self, work: Work) -> bool:
        return isinstance(work, Purge) and await work.must_wait(self._now())

    async def _must_not_begin(self, work: Work, task: Task | None) -> bool:
        """Stop a task that must not begin, before its first page; return whether that was so."""
        if type(work) is not Expansion or task is None or task.expansion.page > 0:
            return False
        return await self._start_check.stop_if_unfit(task, self._now())

    async def _work(self, due: DueTask) -> Work | None:
        """Return the work on a task: what was begun, unless its state asks for another now."""
        begun, wanted = self._works.get(due.id), self._work_of(due)
        if type(begun) is type(wanted):
            return begun
        await self._leave(due.id)
        if wanted is not None:
            self._works[due.id] = wanted
        return wanted

    def _work_of(self, due: DueTask) -> Work | None:
        """Return what the relay has to do for a task in its state; None for nothing but its messages."""
        match due.task:
            case None:
                return Purge(self._ends, self._publisher, due.id, self._page)
            case Task(status=TaskStatus.SCHEDULED | TaskStatus.EXPANDING) as task:
                return Expansion(self._store, self._publisher, task, self._page)
            case Task(status=TaskStatus.STOPPING) as task if task.expansion.complete:
                return Stop(self._ends, self._publisher, task, self._page)
            case Task(status=TaskStatus.STOPPING) as task:
                return LastPage(self._store, self._publisher, task, self._page)
        return None

    async def _leave(self, task_id: str) -> None:
        if work := self._works.pop(task_id, None):
            await work.close()
