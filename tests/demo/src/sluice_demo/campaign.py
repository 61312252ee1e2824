"""A campaign while it runs: tasks, the stop in mid-download, progress, and the wait for every callback.

What comes of it is handed over as it was found; judging it is `sluice_demo.comparison`'s.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sluice_demo.appserver import AppServer
from sluice_demo.callbacks import CallbackReceiver
from sluice_demo.client import PlatformError
from sluice_demo.executions import FINAL, Execution
from sluice_demo.progress import STATES, Progress, View, WindowLoad

_TICK = 0.25
"""Seconds between looks at callbacks."""
_VIEW_EVERY = 1.0
_PROGRESS_EVERY = 0.5
"""Seconds between reads of the tasks' progress; how soon it shows an end is measured no finer."""
_STOP_LOOK_EVERY = 2.0
_STOP_AT_THE_LATEST = 40.0
"""Seconds after its creation at which the task to stop is stopped, wherever its devices are."""
_FINISH_GRACE = 60.0
"""Seconds that the last callbacks may come after the tasks have ended, and the other way round."""
_ENDED = frozenset({"FINISHED", "STOPPED"})
_DOWNLOADING = 1


@dataclass(frozen=True)
class PlannedTask:
    """A task before it is created.

    Attributes:
        group: Its devices.
        policy: As the REST interface takes it.
        stops: Whether it is stopped in mid-download.
    """

    group: str
    policy: Mapping[str, Any]
    stops: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a campaign came to.

    Attributes:
        started_at: When the first task was created, seconds since 1970.
        ended_at: When the last callback came (or the wait for it ended).
        executions: All executions with their histories.
        progress: Counts of each task.
        cpu_seconds: User and system time of each process from start to end.
        shown: When the tasks' progress was read, seconds since 1970, and how many executions had ended by it.
    """

    started_at: float
    ended_at: float
    executions: Sequence[Execution]
    progress: Sequence[Mapping[str, int]]
    cpu_seconds: Mapping[str, float]
    shown: Sequence[tuple[float, int]] = ()

    @property
    def makespan(self) -> float:
        """Seconds from the first task's creation to the last callback."""
        return self.ended_at - self.started_at


class Campaign:
    """Tasks on one platform, side by side; some are stopped while their devices download.

    Args:
        server: The app server, ready for tasks.
        receiver: Gets its callbacks.
        tasks: In the order in which they are created.
        devices: Executions that there will be.
        loads: Looks at the windows, at the devices.
        cpu_seconds: Reads the processor time of each process.
        deadline: Seconds until the campaign is given up.
    """

    def __init__(
        self,
        server: AppServer,
        receiver: CallbackReceiver,
        *,
        tasks: Sequence[PlannedTask],
        devices: int,
        loads: Callable[[], Awaitable[Sequence[WindowLoad]]],
        cpu_seconds: Callable[[], Mapping[str, float]],
        deadline: float,
    ) -> None:
        self._server = server
        self._receiver = receiver
        self._planned = tasks
        self._devices = devices
        self._loads = loads
        self._cpu_seconds = cpu_seconds
        self._deadline = deadline
        self._tasks: dict[str, str] = {}
        self._states: list[dict[str, Any]] = []
        self._shown: list[tuple[float, int]] = []
        self._started_at = 0.0

    async def run(self, view: View) -> Outcome:
        """Create the tasks, go along with them until every result has been called back, and collect the outcome."""
        cpu_before = self._cpu_seconds()
        self._started_at = time.time()
        for task in self._planned:
            self._tasks[task.group] = await self._server.create_task(task.group, task.policy)
        stops = asyncio.gather(*(self._stop_in_mid_download(task.group) for task in self._planned if task.stops))
        try:
            await self._until_called_back(view)
        except BaseException:
            stops.cancel()
            raise
        await stops
        cpu_after = self._cpu_seconds()
        ended_at = max(self._receiver.last_at, self._started_at)
        await self._until_tasks_end()
        return Outcome(
            started_at=self._started_at,
            ended_at=ended_at,
            executions=[e for task in self._tasks.values() for e in await self._server.client.executions(task)],
            progress=[task["progress"] for task in self._states],
            cpu_seconds={name: spent - cpu_before.get(name, 0.0) for name, spent in cpu_after.items()},
            shown=self._shown,
        )

    async def _until_called_back(self, view: View) -> None:
        """Show progress until all results are there; give up when no more can be expected."""
        next_read = next_view = 0.0
        ended_since: float | None = None
        while len(self._receiver.results) < self._devices and self._elapsed() < self._deadline:
            if self._elapsed() >= next_read:
                next_read = self._elapsed() + _PROGRESS_EVERY
                await self._read_tasks()
            if self._have_ended():
                ended_since = ended_since if ended_since is not None else self._elapsed()
                if self._elapsed() - ended_since > _FINISH_GRACE:
                    break
            if self._elapsed() >= next_view:
                next_view = self._elapsed() + _VIEW_EVERY
                view.show(await self._progress())
            await asyncio.sleep(_TICK)
        await self._read_tasks()
        view.show(await self._progress())

    async def _until_tasks_end(self) -> None:
        until = time.monotonic() + _FINISH_GRACE
        while not self._have_ended() and time.monotonic() < until:
            await asyncio.sleep(_TICK)
            await self._read_tasks()

    async def _stop_in_mid_download(self, group: str) -> None:
        """Stop a task once all of its devices fetch their image."""
        task_id = self._tasks[group]
        while self._elapsed() < _STOP_AT_THE_LATEST:
            executions = await self._server.client.executions(task_id)
            if executions and all(e.firmware_state == _DOWNLOADING or e.is_final for e in executions):
                break
            await asyncio.sleep(_STOP_LOOK_EVERY)
        await self._server.stop_task(task_id)

    async def _read_tasks(self) -> None:
        """Read how the tasks stand; while the platform cannot say, what it said last stays."""
        with suppress(PlatformError):
            self._states = [await self._server.client.get(f"/tasks/{task_id}") for task_id in self._tasks.values()]
            counts = [(state, number) for task in self._states for state, number in task["progress"].items()]
            self._shown.append((time.time(), sum(number for state, number in counts if state.upper() in FINAL)))

    def _have_ended(self) -> bool:
        return bool(self._states) and all(task["status"] in _ENDED for task in self._states)

    def _elapsed(self) -> float:
        return time.time() - self._started_at

    async def _progress(self) -> Progress:
        counts: Counter[str] = Counter()
        for task in self._states:
            counts.update({state: task["progress"][state] for state in STATES})
        return Progress(
            elapsed=self._elapsed(),
            executions=counts,
            callbacks=len(self._receiver.results),
            expected=self._devices,
            windows=await self._loads(),
        )
