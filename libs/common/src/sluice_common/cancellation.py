"""Cancellations that Python 3.11 loses.

Its `asyncio.wait_for` swallows a cancellation that comes together with the result (CPython issue 86296, mended in
3.12). PyMongo sends every command through it, so that a task that is cancelled at that moment would work on for ever.
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

import pymongo.lock

Result = TypeVar("Result")


async def wait_for(awaitable: Awaitable[Result], timeout: float | None) -> Result:  # noqa: ASYNC109 - asyncio's own name
    """Do as `asyncio.wait_for` of Python 3.12.

    Raises:
        TimeoutError: It took longer than `timeout` seconds.
    """
    async with asyncio.timeout(timeout):
        return await awaitable


def mend_wait_for() -> None:
    """Replace `asyncio.wait_for` for the whole process, and the name that PyMongo has imported."""
    if sys.version_info < (3, 12):
        for module in (asyncio, pymongo.lock):
            setattr(module, "wait_for", wait_for)  # noqa: B010 - type checkers know that it is none of our names
