"""Which tasks are next: the oldest first, and each again behind the others."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime

from sluice_api.application.relay.ports import DueTaskStore

MAX_READ = 1000
"""Ids that are read at once and then gone through, so that choosing one does not cost a look at all."""


class DueTasks:
    """The tasks that are due, in rounds.

    Args:
        store: The tasks.
        stops: Whether it is about those that are being stopped, or all.
    """

    def __init__(self, store: DueTaskStore, *, stops: bool) -> None:
        self._store = store
        self._stops = stops
        self._ids: deque[str] = deque()

    async def fill(self, now: datetime) -> None:
        """Read which are next once a round is over."""
        if self._ids:
            return
        ids = await self._store.due_ids(now, stops=self._stops, limit=MAX_READ)
        self._ids.extend(ids)
        if len(ids) == MAX_READ:  # there may be more, which come before these from now on
            await self._store.postpone(ids, now)

    def rest(self) -> Iterator[str]:
        """Yield the ids of this round that are left; each is gone once it was yielded."""
        while self._ids:
            yield self._ids.popleft()
