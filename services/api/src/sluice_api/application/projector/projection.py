"""Kafka to MongoDB: how executions have ended, with the versions of their devices, and what signing found.

Every batch is reduced to the ends of executions, which are written in bulk, guarded by version: batches may come again.
What snapshots say before is written by `Details`, in its own time, so that an end never waits for it. Executions are
updated, not inserted: the relay has made their rows, so that nothing brings back the executions of a deleted task. A
row that is missing although its task is there (a database that was restored) is made again from the snapshot. The
counts of a task follow its rows (`counting`).
"""

from collections.abc import Sequence

from sluice_api.application.counting import plan
from sluice_api.application.projector.news import news_of
from sluice_api.application.projector.ports import ProjectionStore, Recount
from sluice_api.application.projector.rows import newest_executions, restore
from sluice_api.application.projector.verification import Verification
from sluice_common.bus import Received
from sluice_common.messages.execution_events import ExecutionChanged


class Projection:
    """Writes batches.

    Args:
        store: Where to.
        verification: Takes what signing found.
        recount: Counts a task anew.
    """

    def __init__(self, store: ProjectionStore, verification: Verification, recount: Recount) -> None:
        self._store = store
        self._recount = recount
        self._verification = verification

    async def write(self, batch: Sequence[Received]) -> set[str]:
        """Write a batch; return the tasks of which an execution has ended.

        Raises:
            PoisonError: A message can never be stored; the others may have been.
        """
        ended = [r for r in batch if isinstance(r.message, ExecutionChanged) and r.message.status.is_final]
        if ended:
            await self._write_ends(ended)
            # Before its task ends, which people wait for: its devices have the versions that they have reported.
            await self._store.update_devices(news_of(r.message for r in ended))
        for received in batch:
            await self._verification.take(received.message)
        return {r.message.task_id for r in ended}

    async def _write_ends(self, batch: Sequence[Received]) -> None:
        arrived = newest_executions(batch)
        ends = {r.partition: r.offset for r in batch}
        rows = await self._store.rows([a.snapshot.execution_id for a in arrived])
        counts = await self._store.counts({a.snapshot.task_id for a in arrived})
        wanted = plan(arrived, rows, counts, ends)
        await self._store.update_executions(wanted.writes)
        restored = await restore(self._store, [a for a in arrived if a.snapshot.execution_id not in rows])
        changed = {task: await self._store.change_counts(task, change) for task, change in wanted.counts.items()}
        # Nobody knows as what restored rows were counted, nor what a replica counts that had the partition before.
        for task_id in restored | {task_id for task_id, is_changed in changed.items() if not is_changed}:
            await self._recount.recount(task_id, ends)
