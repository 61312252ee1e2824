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
from dataclasses import dataclass, field

Entry = tuple[int, str]
"""Position and execution id."""
_NOBODY = -1


@dataclass(slots=True)
class _App:
    """The waiters of an app that are not known to sleep.

    Attributes:
        queue: Heap of their entries, and of some that have left.
        place: Its round, and its number among all that were given one; `_NOBODY` if it has none.
    """

    queue: list[Entry] = field(default_factory=list)
    place: tuple[int, int] = (_NOBODY, 0)


class Rounds:
    """The order of serving; knows waiters by name only."""

    def __init__(self) -> None:
        self._apps: dict[str, _App] = {}
        self._places: list[tuple[tuple[int, int], str]] = []
        self._round = 0
        self._count = 0

    def join(self, app_id: str, entry: Entry) -> None:
        """Let a waiter be offered slots from now on."""
        app = self._apps.setdefault(app_id, _App())
        heapq.heappush(app.queue, entry)
        if app.place[0] == _NOBODY:
            self._give_place(app_id, app)

    def first(self, is_awake: Callable[[Entry], bool]) -> Entry | None:
        """Return who is served next; None if everybody sleeps.

        Args:
            is_awake: Whether a waiter has not left, and is awake for long enough.
        """
        while self._places:
            place, app_id = self._places[0]
            app = self._apps.get(app_id)
            if app is not None and app.place == place:
                while app.queue:
                    if is_awake(app.queue[0]):
                        return app.queue[0]
                    heapq.heappop(app.queue)
                del self._apps[app_id]
            heapq.heappop(self._places)
        return None

    def serve(self, app_id: str) -> None:
        """Note that the first one, of this app, has got a slot: its app is in the next round."""
        app = self._apps[app_id]
        self._round = max(self._round, app.place[0])
        heapq.heappop(app.queue)
        heapq.heappop(self._places)
        self._give_place(app_id, app)

    def _give_place(self, app_id: str, app: _App) -> None:
        self._count += 1
        app.place = (self._round + 1, self._count)
        heapq.heappush(self._places, (app.place, app_id))
