"""Look-ups that are asked together travel together."""

import asyncio
from collections.abc import Sequence

import pytest

from sluice_common.background import BackgroundTasks
from sluice_common.lookups import Lookups


class Store:
    """What a database would find.

    Attributes:
        queries: The keys of each query.
    """

    def __init__(self, **found: int) -> None:
        self.found = found
        self.queries: list[list[str]] = []
        self.error: Exception | None = None

    async def read(self, keys: Sequence[str]) -> dict[str, int]:
        self.queries.append(list(keys))
        if self.error is not None:
            raise self.error
        return {key: self.found[key] for key in keys if key in self.found}


async def test_what_is_asked_together_is_one_query() -> None:
    store = Store(a=1, b=2)
    lookups = Lookups(store.read, BackgroundTasks())
    assert await asyncio.gather(*[lookups.find(key) for key in ("a", "b", "a", "none")]) == [1, 2, 1, None]
    assert store.queries == [["a", "b", "none"]]


async def test_too_many_keys_are_several_queries() -> None:
    store = Store(**{f"k{n}": n for n in range(5)})
    lookups = Lookups(store.read, BackgroundTasks(), max_keys=2)
    assert await asyncio.gather(*[lookups.find(f"k{n}") for n in range(5)]) == [0, 1, 2, 3, 4]
    assert [len(keys) for keys in store.queries] == [2, 2, 1]


async def test_an_error_reaches_all_who_wait_and_the_next_ask_anew() -> None:
    store = Store(a=1)
    store.error = ConnectionError("away")
    lookups = Lookups(store.read, BackgroundTasks())
    answers = await asyncio.gather(lookups.find("a"), lookups.find("b"), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["away", "away"]
    store.error = None
    assert await lookups.find("a") == 1


async def test_a_waiter_that_gives_up_disturbs_nobody() -> None:
    store = Store(a=1)
    lookups = Lookups(store.read, BackgroundTasks())
    patient = asyncio.create_task(lookups.find("a"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lookups.find("a"), 0.001)
    assert await patient == 1
    assert store.queries == [["a"]]


async def test_after_an_error_the_rest_of_what_was_asked_together_fails_at_once() -> None:
    store = Store()
    store.error = ConnectionError("away")
    lookups = Lookups(store.read, BackgroundTasks(), max_keys=2)
    answers = await asyncio.gather(*[lookups.find(f"k{n}") for n in range(5)], return_exceptions=True)
    assert [str(answer) for answer in answers] == ["away"] * 5
    assert len(store.queries) == 1
