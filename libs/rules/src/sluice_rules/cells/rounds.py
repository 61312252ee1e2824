"""Who is served next: apps in rounds, and within an app whoever has asked first of those awake.

In each round one device is served of each app that has one awake when its turn comes. An app that begins to wait, or
waits on after a grant, is in the next round (start-time fair queueing with the slot as the packet, P. Goyal et al.,
SIGCOMM 1996; ADR 0025). So neither how many devices an app has nor how it asks for them wins it more grants than
another app that has somebody awake. Nothing of this is stored: a window that is restored begins a round in which every
app is.

No operation looks at all waiters: of each app the awake ones lie in a heap by position with lazy deletion, and one that
is found asleep when a slot is offered is passed over until it asks again.
"""

import heapq
from collections.abc import Callable

Queued = tuple[int, str]
"""A waiter that is not known to sleep: its position and its execution id."""


class Rounds:
    """The order of serving; knows waiters by name only. An app is in one round as long as it has somebody queued."""

    def __init__(self) -> None:
        self._queues: dict[str, list[Queued]] = {}
        self._places: list[tuple[int, int, str]] = []
        self._round = 0
        self._count = 0

    def join(self, app_id: str, waiter: Queued) -> None:
        """Let a waiter be offered slots from now on."""
        if app_id in self._queues:
            heapq.heappush(self._queues[app_id], waiter)
        else:
            self._queues[app_id] = [waiter]
            self._give_place(app_id)

    def first(self, is_awake: Callable[[Queued], bool]) -> Queued | None:
        """Return who is served next; None if everybody sleeps.

        Args:
            is_awake: Whether a waiter has not left, and is awake for long enough.
        """
        while self._places:
            _, _, app_id = self._places[0]
            queue = self._queues[app_id]
            while queue:
                if is_awake(queue[0]):
                    return queue[0]
                heapq.heappop(queue)
            del self._queues[app_id]
            heapq.heappop(self._places)
        return None

    def serve(self) -> None:
        """Note that whom `first` has returned gets a slot: its app is in the next round."""
        self._round, _, app_id = heapq.heappop(self._places)
        heapq.heappop(self._queues[app_id])
        self._give_place(app_id)

    def _give_place(self, app_id: str) -> None:
        self._count += 1
        heapq.heappush(self._places, (self._round + 1, self._count, app_id))
