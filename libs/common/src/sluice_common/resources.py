"""Whoever opens something closes it, also when it is cancelled or fails while it opens or closes.

    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(started(Producer(settings)))

`await consumer.start()` and a `finally` with `await consumer.stop()` leave three gaps, which are closed here: a start
that fails, a stop that is cancelled half-way, and a start that is cancelled. aiokafka's clients must not be cancelled
while they ask the first broker for metadata (`AIOKafkaClient.bootstrap`): nobody else knows that connection yet, so it
would stay open.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import structlog

_log = structlog.get_logger()
_START_GRACE = 2.0
"""Seconds for which a start goes on when its owner is cancelled; a bootstrap takes less, joining a group may take more.
"""
_STOP_GRACE = 10.0
"""Seconds for a stop: whoever waits for a broker that does not answer would wait for ever."""


class Startable(Protocol):
    """What is started and stopped; `stop` must also end what `start` has left half done."""

    async def start(self) -> object:
        """Open what is needed."""

    async def stop(self) -> object:
        """Close all that is open."""


Resource = TypeVar("Resource", bound=Startable)


@asynccontextmanager
async def started(resource: Resource) -> AsyncIterator[Resource]:
    """Start a resource, and stop it at the end of the block or when the start did not come to its end.

    What goes wrong in `stop` is told and no more: it would take the place of why the block has ended, an error or a
    cancellation, and then a loop would go on that was told to end.

    Raises:
        Exception: What `start` raises.
    """
    starting = asyncio.ensure_future(resource.start())  # unsupervised: awaited at once
    try:
        await asyncio.shield(starting)
        yield resource
    finally:
        await uninterrupted(_stop(resource, starting))


async def uninterrupted(closing: Awaitable[None]) -> None:
    """Close something to the end, though the closing task is cancelled meanwhile.

    Raises:
        CancelledError: It was cancelled; what was to be closed is closed.
        Exception: What `closing` raises.
    """
    task = asyncio.ensure_future(closing)  # unsupervised: awaited at once
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def finished(work: Coroutine[Any, Any, None], *, within: float) -> None:
    """Do something to the end, though the task is cancelled meanwhile: for so many seconds after that.

    Raises:
        CancelledError: The task was cancelled; the work has ended, or was cancelled when its time was up.
        Exception: What the work raises, unless the task was cancelled.
    """
    task = asyncio.ensure_future(work)  # unsupervised: awaited at once
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await uninterrupted(_end(task, within))
        raise


async def _end(task: asyncio.Future[None], within: float) -> None:
    await asyncio.wait([task], timeout=within)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("work_in_hand_failed", reason=repr(error))


async def _stop(resource: Startable, starting: asyncio.Task[object]) -> None:
    if not starting.done():
        await asyncio.wait([starting], timeout=_START_GRACE)
        starting.cancel()
        await asyncio.wait([starting])
    if not starting.cancelled():
        starting.exception()  # raised to the owner, unless that was cancelled
    closing = asyncio.ensure_future(resource.stop())  # unsupervised: awaited at once
    await asyncio.wait([closing], timeout=_STOP_GRACE)
    closing.cancel()
    await asyncio.wait([closing])
    # Cancelled without our doing: aiokafka's fetcher awaits a task that it has cancelled before it began.
    error = asyncio.CancelledError() if closing.cancelled() else closing.exception()
    if error is not None:
        _log.warning("resource_not_stopped", resource=type(resource).__name__, reason=repr(error))
