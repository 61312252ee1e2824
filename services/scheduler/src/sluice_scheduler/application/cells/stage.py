"""The stage `cells`: requests in, what `admit` makes of them out (docs/upgrade.md).

All partitions that the group gives this process are read together. A shard is served only between `take_over`, which
fences its last owner and restores it, and `give_up`. Where to go on reading is what the shard has applied, not what the
group has committed: the group's offsets only show the lag to operators.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain

from sluice_common.messages.slots import WindowKey
from sluice_common.partitions import partition_for
from sluice_common.supervision import forever, supervised
from sluice_rules.cells.window import Holder, Window
from sluice_scheduler.application.cells.ports import Changelog, RequestRecord, Requests
from sluice_scheduler.application.cells.shard import Shard, shard_of
from sluice_scheduler.application.cells.usage import Usage, fullest_of, usage_of

NewShard = Callable[[int, Collection[int]], Shard]
"""Makes the shard of that number with those partitions."""


class CellsStage:
    """All owned shards of the stage.

    Args:
        requests: What is to be applied.
        changelog: What is stored.
        new_shard: Makes a shard.
        partitions: Number of partitions of the topic.
        shards: Number of shards of the topic.
        round_interval: Least seconds from the begin of a round to the next one.
        restore_deadline: Seconds until newly assigned shards must be restored.
    """

    def __init__(
        self,
        requests: Requests,
        changelog: Changelog,
        new_shard: NewShard,
        *,
        partitions: int,
        shards: int,
        round_interval: float,
        restore_deadline: float,
    ) -> None:
        self._requests = requests
        self._changelog = changelog
        self._new_shard = new_shard
        self._partitions = partitions
        self._number_of_shards = shards
        self._round_interval = round_interval
        self._restore_deadline = restore_deadline
        self._shards: dict[int, Shard] = {}
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            ExceptionGroup: A shard was fenced or could not commit; memory is not to be trusted any more.
        """
        await forever(self._serve_round)

    async def _serve_round(self) -> None:
        began = time.monotonic()
        await self.take_over()
        batches = await self._requests.fetch()
        async with self._lock:
            await self._apply(batches)
        await asyncio.sleep(began + self._round_interval - time.monotonic())

    async def take_over(self) -> None:
        """Own the shards that are assigned but not owned yet: fence their last owners, restore them and seek.

        Raises:
            TimeoutError: They could not be restored in time.
        """
        async with self._lock, asyncio.timeout(self._restore_deadline):
            missing: defaultdict[int, list[int]] = defaultdict(list)
            for partition in self._requests.assigned:
                if self._shard_of(partition) not in self._shards:
                    missing[self._shard_of(partition)].append(partition)
            if missing:
                await self._restore(missing)

    async def give_up(self) -> None:
        """Finish the transactions under way and forget all shards."""
        async with self._lock:
            shards, self._shards = self._shards, {}
            await asyncio.gather(*(shard.stop() for shard in shards.values()))

    def missing(self) -> str | None:
        """Return what this process waits for; None if it owns every shard that it was assigned."""
        late = {self._shard_of(partition) for partition in self._requests.assigned} - self._shards.keys()
        return f"{len(late)} shards are not restored yet" if late else None

    def usage(self) -> dict[str, Usage]:
        """Return how the windows of all owned shards are used, by coverage class."""
        without = {
            key: since for shard in self._shards.values() for key, since in shard.windows.without_grant().items()
        }
        return usage_of(self._all_windows(), without, time.monotonic())

    def fullest(self) -> dict[tuple[str, str], float]:
        """Return the waiters of the few windows with the most, by cell and coverage class."""
        return fullest_of(self._all_windows())

    def positions(self) -> dict[int, int]:
        """Return up to which offset each owned partition is done."""
        return {partition: at + 1 for shard in self._shards.values() for partition, at in shard.applied.items()}

    def _all_windows(self) -> Iterator[Window]:
        return chain.from_iterable(shard.windows.all() for shard in self._shards.values())

    def is_held(self, key: WindowKey, holder: Holder) -> bool:
        """Return whether this process owns the window and it has exactly this holder, with this deadline."""
        shard = self._shards.get(self._shard_of(partition_for(key.cell_key, self._partitions)))
        return shard is not None and shard.holds(key, holder)

    async def _apply(self, batches: Mapping[int, Sequence[RequestRecord]]) -> None:
        by_shard: defaultdict[int, dict[int, Sequence[RequestRecord]]] = defaultdict(dict)
        for partition, records in batches.items():
            by_shard[self._shard_of(partition)][partition] = records
        async with supervised() as work:
            for number, requests in by_shard.items():
                # Records of a shard that is not owned (yet) were fetched before its position was set.
                if number in self._shards:
                    work.passing(self._shards[number].apply(requests))

    async def _restore(self, missing: Mapping[int, Collection[int]]) -> None:
        for number, partitions in missing.items():
            self._shards[number] = self._new_shard(number, partitions)
            await self._shards[number].start()
        restored = [partition for partitions in missing.values() for partition in partitions]
        stored = await self._changelog.read(restored)
        ends = await self._requests.ends(restored)
        for number in missing:
            self._shards[number].restore(stored, ends)
        for partition in restored:
            self._requests.seek(partition, self._shards[self._shard_of(partition)].applied[partition] + 1)

    def _shard_of(self, partition: int) -> int:
        return shard_of(partition, self._number_of_shards)
