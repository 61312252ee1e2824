"""Who opens something closes it, also when it is cancelled or fails while it opens.

`await consumer.start()` followed by `try … finally: await consumer.stop()` leaves a socket open when the start itself
is cancelled. With `started` there is no such gap:

    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(started(Producer(settings)))
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar


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

    Raises:
        Exception: What `start` and `stop` raise.
    """
    try:
        await resource.start()
        yield resource
    finally:
        await resource.stop()
