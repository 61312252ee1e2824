"""A cancellation ends what waits, also when it comes together with the result."""

import asyncio

import pytest
from pymongo import lock

from sluice_common.cancellation import mend_wait_for


@pytest.fixture(autouse=True)
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mended function for one test."""
    for module in (asyncio, lock):
        monkeypatch.setattr(module, "wait_for", asyncio.wait_for)  # to be restored in the end
    mend_wait_for()


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
