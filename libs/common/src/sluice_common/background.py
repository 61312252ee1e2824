"""Tasks with an owner that lets each fail alone."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, Self, TypeVar

from sluice_common.errors import FatalError
from sluice_common.supervision import is_fatal, note_failure

Result = TypeVar("Result")


class BackgroundTasks:
    """Keeps tasks until they are done; at the end of the `async with` block those that are not are cancelled."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._owner: asyncio.Task[Any] | None = None
        self._fatal: BaseException | None = None

    def __len__(self) -> int:
        """Return how many are not done."""
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start a task that somebody awaits, and who awaits it handles its errors."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def run(self, event: str, work: Coroutine[Any, Any, Result], **ids: object) -> asyncio.Task[Result]:
        """Start a task that nobody awaits; what it raises is logged and counted, and ends nothing else.

        A `FatalError` cancels the owner of the block, which then raises it.

        Args:
            event: Logged when it fails.
            work: What is done.
            ids: Whom it is done for, for the log.
        """
        task = self.start(work)
        task.add_done_callback(partial(self._note, event, ids))
        return task

    async def wait(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as of `asyncio.wait`
        """Return when all that were started are done, or after `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    def _note(self, event: str, ids: dict[str, object], task: asyncio.Task[Any]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        note_failure(event, error, **ids)
        if is_fatal(error):
            self._end(error)

    def _end(self, error: BaseException) -> None:
        if self._fatal is None:
            self._fatal = error
            if self._owner is not None:
                self._owner.cancel()

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._owner = None
        for task in self._tasks:
            task.cancel()
        await self.wait()
        if self._fatal is not None:
            raise FatalError("a task in the background met a fatal error") from self._fatal
