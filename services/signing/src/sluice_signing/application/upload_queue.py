"""Several uploads at once, in turns of their apps: the one with the fewest under way comes next.

A batch is handled as far as it is in a second: what waits or is under way is left and comes again, with what has come
meanwhile. So one upload that takes minutes holds up neither those of other apps nor Kafka, which expects a poll.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from sluice_common.background import BackgroundTasks
from sluice_common.bus import Handler, Received
from sluice_common.messages.package_events import PackageUploaded
from sluice_common.supervision import is_fatal, persist
from sluice_signing.application.uploads import room_for

_LOOK_SECONDS = 1.0
"""Seconds after which a batch with uploads under way is given back, if none of them has ended."""
Place = tuple[int, int]
"""Partition and offset: what comes again after trouble or a rebalance is known by it."""


class UploadQueue:
    """Starts and ends the uploads that are in hand.

    Args:
        handle: Answers one upload; what it raises may pass, and it is asked again after a back-off.
        tasks: Owner of what is under way.
        concurrency: Most uploads at once.
        of_app: Most of one app's.
        free_bytes: Returns how much room there is for temporary files.
    """

    def __init__(
        self, handle: Handler, tasks: BackgroundTasks, *, concurrency: int, of_app: int, free_bytes: Callable[[], int]
    ) -> None:
        self._handle = handle
        self._tasks = tasks
        self._concurrency = concurrency
        self._of_app = of_app
        self._free_bytes = free_bytes
        self._room = 0
        self._under_way: dict[Place, tuple[PackageUploaded, asyncio.Task[object]]] = {}

    async def handle(self, batch: Sequence[Received]) -> Sequence[Received]:
        """Start uploads as there is room, wait for one to end, and return those that have not.

        Raises:
            FatalError: An upload met it.
        """
        uploads = {_place(r): r for r in batch if isinstance(r.message, PackageUploaded)}
        self._drop(self._under_way.keys() - uploads.keys())
        waiting = [received for place, received in uploads.items() if place not in self._under_way]
        while (following := self._next(waiting)) is not None:
            waiting.remove(following)
            self._start(following)
        if tasks := [task for _, task in self._under_way.values()]:
            await asyncio.wait(tasks, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        ended = {place for place, (_, task) in self._under_way.items() if task.done()}
        for place in ended:
            self._under_way.pop(place)[1].result()
        return [received for place, received in uploads.items() if place not in ended]

    def _drop(self, places: Iterable[Place]) -> None:
        """Leave to another process what is not in hand any more."""
        for place in list(places):
            self._under_way.pop(place)[1].cancel()

    def _next(self, waiting: Sequence[Received]) -> Received | None:
        """Return which upload to start, the oldest of the app with the fewest under way; None if it has to wait."""
        if len(self._under_way) >= self._concurrency:
            return None
        if not self._under_way:
            self._room = self._free_bytes()
        under_way = Counter(upload.app_id for upload, _ in self._under_way.values())
        ready = (r for r in waiting if under_way[r.message.app_id] < self._of_app and self._may_start(r.message))
        return min(ready, key=lambda r: under_way[r.message.app_id], default=None)

    def _may_start(self, upload: PackageUploaded) -> bool:
        """Return whether there is room for an upload beside the others, of which none is of the same package."""
        others = [other for other, _ in self._under_way.values()]
        is_new = all(other.package_id != upload.package_id for other in others)
        return is_new and (not others or sum(map(room_for, [*others, upload])) <= self._room)

    def _start(self, received: Received) -> None:
        work = persist(
            "upload_not_answered",
            partial(self._handle, [received]),
            passing=lambda error: not is_fatal(error),
            package_id=received.message.package_id,
        )
        self._under_way[_place(received)] = received.message, self._tasks.start(work)


def _place(received: Received) -> Place:
    return received.partition, received.offset
