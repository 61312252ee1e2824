"""A cancellation ends what waits, also when it comes together with the result."""

import asyncio

import pytest
from pymongo import lock
from pymongo.asynchronous import pool

from sluice_common import cancellation
from sluice_common.cancellation import mend_cancellation


@pytest.fixture(autouse=True)
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mended function for one test."""
    # To be restored in the end.
    monkeypatch.setattr(asyncio, "wait_for", asyncio.wait_for)
    monkeypatch.setattr(lock, "wait_for", asyncio.wait_for)
    monkeypatch.setattr(pool, "_configured_protocol_interface", cancellation.establish)
    mend_cancellation()


async def test_a_cancellation_that_comes_with_the_result_is_not_lost() -> None:
    result = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(asyncio.wait_for(result, 60))
    await asyncio.sleep(0)
    result.set_result(None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_result_is_returned_and_a_late_one_is_a_timeout() -> None:
    assert await asyncio.wait_for(asyncio.sleep(0, "result"), 60) == "result"
    assert await asyncio.wait_for(asyncio.sleep(0, "result"), None) == "result"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(60), 0.001)


def test_pymongo_waits_with_the_mended_function() -> None:
    assert vars(lock)["wait_for"] is asyncio.wait_for


class Connection:
    """A connection that is established when it is told."""

    def __init__(self) -> None:
        self.established = asyncio.Event()
        self.is_open = False

    async def establish(self) -> "Connection":
        """Return it, open."""
        await self.established.wait()
        self.is_open = True
        return self

    async def close(self) -> None:
        """Close it."""
        self.is_open = False


async def test_a_connection_to_mongodb_that_is_cancelled_while_it_is_established_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = Connection()
    monkeypatch.setattr(cancellation, "_establish", connection.establish)
    establishing = asyncio.create_task(cancellation.establish())
    await asyncio.sleep(0)
    establishing.cancel()
    await asyncio.sleep(0)
    connection.established.set()
    with pytest.raises(asyncio.CancelledError):
        await establishing
    assert not connection.is_open


async def test_a_connection_to_mongodb_that_is_established_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection()
    connection.established.set()
    monkeypatch.setattr(cancellation, "_establish", connection.establish)
    assert await cancellation.establish() is connection
    assert connection.is_open
