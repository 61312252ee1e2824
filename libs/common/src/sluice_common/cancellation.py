"""Cancellations that Python 3.11 and PyMongo do not handle well, mended for the whole process.

Python 3.11's `asyncio.wait_for` swallows a cancellation that comes together with the result (CPython issue 86296,
mended in 3.12). PyMongo sends every command through it: a task that is cancelled at that moment would work on for ever.

PyMongo leaves the socket open of a connection that is cancelled while it is established, as its own monitors are when a
client is closed (`_async_create_connection`, seen in 4.20).
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any, TypeVar

import pymongo.asynchronous.pool
import pymongo.lock

from sluice_common.resources import uninterrupted

Result = TypeVar("Result")
_establish = vars(pymongo.asynchronous.pool)["_configured_protocol_interface"]


def mend_cancellation() -> None:
    """Put the functions of this module in the places of those of asyncio and PyMongo."""
    vars(pymongo.asynchronous.pool)["_configured_protocol_interface"] = establish
    if sys.version_info < (3, 12):
        for module in (asyncio, pymongo.lock):
            vars(module)["wait_for"] = wait_for


async def wait_for(awaitable: Awaitable[Result], timeout: float | None) -> Result:  # noqa: ASYNC109 - asyncio's own name
    """Do as `asyncio.wait_for` of Python 3.12.

    Raises:
        TimeoutError: It took longer than `timeout` seconds.
    """
    async with asyncio.timeout(timeout):
        return await awaitable


async def establish(*args: Any) -> Any:
    """Establish a connection as PyMongo does; one that is cancelled meanwhile is closed."""
    establishing = asyncio.ensure_future(_establish(*args))  # unsupervised: awaited at once
    try:
        return await asyncio.shield(establishing)
    except asyncio.CancelledError:
        await uninterrupted(_close(establishing))
        raise


async def _close(establishing: asyncio.Future[Any]) -> None:
    await asyncio.wait([establishing])
    if not establishing.cancelled() and establishing.exception() is None:
        await establishing.result().close()
