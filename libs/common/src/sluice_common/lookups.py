"""Look-ups of the same few milliseconds travel in one query: after an outage thousands of devices come at once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from sluice_common.background import BackgroundTasks

Value = TypeVar("Value")
_GATHER = 0.005
_MAX_PER_QUERY = 100


class Lookups(Generic[Value]):
    """Asks for many keys at once; keeps no answers.

    Args:
        read: Returns what is found of the keys, by key.
        tasks: Owns the task of a query, which goes on though those who asked give up.
        max_keys: Most keys of one query.
    """

    def __init__(
        self,
        read: Callable[[Sequence[str]], Awaitable[Mapping[str, Value]]],
        tasks: BackgroundTasks,
        *,
        max_keys: int = _MAX_PER_QUERY,
    ) -> None:
        self._read = read
        self._tasks = tasks
        self._max_keys = max_keys
        self._asked: dict[str, asyncio.Future[Value | None]] = {}

    async def find(self, key: str) -> Value | None:
        """Return what is found of a key, None for nothing.

        Raises:
            Exception: What reading raised; all who waited for that query get it.
        """
        future = self._asked.get(key)
        if future is None:
            if not self._asked:
                self._tasks.run("lookup_not_answered", self._ask())
            future = self._asked[key] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(future)

    async def _ask(self) -> None:
        await asyncio.sleep(_GATHER)
        asked, self._asked = self._asked, {}
        keys = list(asked)
        for start in range(0, len(keys), self._max_keys):
            some = keys[start : start + self._max_keys]
            try:
                found = await self._read(some)
            except Exception as error:  # noqa: BLE001 - every waiter gets it
                for key in keys[start:]:  # the rest too: it would wait for the same, one query after the other
                    _fail(asked[key], error)
                return
            else:
                for key in some:
                    _answer(asked[key], found.get(key))


def _answer(future: "asyncio.Future[Value | None]", value: Value | None) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Value | None]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # retrieved here: a waiter that timed out does not retrieve it
