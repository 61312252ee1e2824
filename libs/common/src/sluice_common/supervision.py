"""The one helper for work that must not end other work: every loop and every task of the services goes through it.

What is done for one device, command, task, target, package or tenant can fail alone. Its exception is logged, counted
and followed by a back-off; it ends neither the loop, nor the process, nor its neighbours. Only `FatalError` (a broken
invariant, a producer that has ended) ends a process. A cancellation is always passed on.

    async with supervised() as work:
        work.repeat("registrations_not_followed", replication.follow)
        work.repeat("counters_not_logged", log_counters, pause=60.0)
        work.vital(stage.run())

`./sluice check` refuses bare tasks and endless loops elsewhere. What may end alone and is awaited by nobody is given
to `BackgroundTasks.run`; what somebody awaits, to `BackgroundTasks.start`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from random import uniform
from typing import Any, Never, TypeVar

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from pymongo.errors import ConnectionFailure, PyMongoError

from sluice_common.errors import FatalError

_log = structlog.get_logger()
Result = TypeVar("Result")
Work = Callable[[], Awaitable[Result]]
FAILURES: Counter[str] = Counter()
"""How often each kind of work has failed in this process, by the name of its event."""
_ENDED: dict[str, str] = {}
"""Vital work that has ended by itself, and how."""
_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after failures in a row: each time twice as long, and spread so that neighbours come apart.

    Attributes:
        first: Seconds after the first failure, at most.
        longest: Seconds that no wait exceeds; so short that after an outage all goes on within some seconds.
    """

    first: float = 0.5
    longest: float = 5.0

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row, from half of the bound to all of it."""
        bound = min(self.longest, self.first * 2 ** min(failures - 1, _DOUBLINGS))
        return uniform(bound / 2, bound)  # noqa: S311 - spread, not secrecy


def is_fatal(error: BaseException) -> bool:
    """Return whether an error must end the process."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_fatal(inner) for inner in error.exceptions)
    return isinstance(error, FatalError)


def is_passing(error: BaseException) -> bool:
    """Return whether an error is of the network, Kafka or MongoDB and may pass: the same may succeed later."""
    if isinstance(error, MessageSizeTooLargeError):
        return False
    return isinstance(error, KafkaError | ConnectionFailure | OSError) or (
        isinstance(error, PyMongoError) and error.timeout
    )


def note_failure(event: str, error: BaseException, **ids: object) -> None:
    """Log and count a failure; with its traceback if it is none of those that pass."""
    FAILURES[event] += 1
    expected = is_passing(error)
    log = _log.warning if expected else _log.error
    log(event, reason=repr(error), failures=FAILURES[event], exc_info=None if expected else error, **ids)


async def repeat(event: str, step: Work[object], *, pause: float = 0.0, backoff: Backoff | None = None) -> None:
    """Do a step again and again until cancelled; one that fails is done again after a back-off.

    Args:
        event: Logged when the step fails.
        step: What is done; it may itself go on until something fails.
        pause: Seconds before each step.
        backoff: How long to wait after failures.

    Raises:
        FatalError: As the step raised it, alone or in a group.
    """
    waits, failures, now = backoff or Backoff(), 0, asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(pause)
        began = now()
        try:
            await step()
            failures = 0
        except Exception as error:
            if is_fatal(error):
                raise
            failures = failures + 1 if now() - began < waits.longest else 1
            note_failure(event, error)
            _pass_on_cancellation(error)
            await asyncio.sleep(waits.delay(failures))


async def forever(step: Work[object]) -> Never:
    """Do a step again and again until it fails: for who starts anew after that, or whose memory is not to be trusted.

    Raises:
        Exception: What the step raised.
    """
    while True:
        await step()


async def persist(
    event: str,
    work: Work[Result],
    *,
    within: float = inf,
    passing: Callable[[BaseException], bool] = is_passing,
    backoff: Backoff | None = None,
    **ids: object,
) -> Result:
    """Do something until it succeeds, as long as it fails with errors that may pass, and return its result.

    Args:
        event: Logged with each failure.
        work: What is done; it must be harmless to do it twice.
        within: Seconds after which it is not begun again.
        passing: Returns whether an error may pass.
        backoff: How long to wait after failures.
        ids: Whom it is done for, for the log.

    Raises:
        Exception: What it raised last: no error that may pass, or the time is up.
    """
    failures, now = 0, time.monotonic
    until = now() + within
    while True:
        try:
            return await work()
        except Exception as error:
            if not passing(error) or now() >= until:
                raise
            failures += 1
            note_failure(event, error, **ids)
            _pass_on_cancellation(error)
            await asyncio.sleep((backoff or Backoff()).delay(failures))


def _pass_on_cancellation(error: Exception) -> None:
    """Raise the cancellation whose place an error has taken that was raised on the way out.

    Raises:
        CancelledError: This task was told to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


def ended_work() -> dict[str, str]:
    """Return the vital work that has ended by itself and was not started again, and how: this process is not well."""
    return dict(_ENDED)


class Supervisor:
    """The work of a process: loops that go on whatever fails in them, and parts on which the process stands."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: list[asyncio.Task[Any]] = []

    def repeat(
        self, event: str, step: Work[object], *, pause: float = 0.0, backoff: Backoff | None = None
    ) -> asyncio.Task[None]:
        """Start a loop (`repeat`)."""
        return self.vital(repeat(event, step, pause=pause, backoff=backoff))

    def vital(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start a part without which the process cannot go on: it has no end, and its error ends all others."""
        name: str = getattr(work, "__qualname__", repr(work))
        _ENDED.pop(name, None)
        task = self.passing(work)
        task.add_done_callback(partial(_note_end, name))
        return task

    def passing(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start a part that ends when its work is done; its error ends all others."""
        task = self._group.create_task(work)
        self._tasks.append(task)
        return task

    @property
    def has_failed(self) -> bool:
        """Return whether a part on which the process stands has ended by an error."""
        return any(task.done() and not task.cancelled() and task.exception() is not None for task in self._tasks)


def _note_end(name: str, task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and not task.cancelling():
        error = task.exception()
        _ENDED[name] = "has returned" if error is None else repr(error)


@asynccontextmanager
async def supervised() -> AsyncIterator[Supervisor]:
    """Yield who starts work; the block ends when all of it has ended, and all of it when the block is cancelled.

    Raises:
        ExceptionGroup: With what a vital part raised, or with a `FatalError`.
    """
    async with asyncio.TaskGroup() as group:
        yield Supervisor(group)
