"""What several processes of the API are wired with."""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

from pymongo.errors import PyMongoError

from sluice_common.bus import Consumer
from sluice_common.messages import base
from sluice_common.observability import announce_ready
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.supervision import supervised

DATABASE_ERROR = PyMongoError
"""What adapters raise when the database cannot be reached."""


def now() -> datetime:
    """Return the time in milliseconds, which is what the database keeps: an answer equals what is read later."""
    exact = base.now()
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)


async def consume(
    settings: CommonSettings, stack: AsyncExitStack, consumer: Consumer, beside: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Consume until cancelled, and run something else beside."""
    await stack.enter_async_context(started(consumer))
    announce_ready(settings)
    async with supervised() as work:
        work.vital(consumer.run())
        work.vital(beside())
