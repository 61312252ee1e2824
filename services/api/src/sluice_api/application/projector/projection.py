"""Kafka to MongoDB: in which status executions are, and what signing found.

Every batch is reduced to the newest snapshot of each execution, and those that change its status are written in bulk,
guarded by version: batches may come again. What else a snapshot says is written by `Details`, in its own time, so that
the end of an execution never waits for it. Executions are updated, not inserted: the relay has made their rows, so that
nothing brings back the executions of a deleted task. A row that is missing although its task is there (a database that
was restored) is made again from the snapshot. The counts of a task follow its rows (`counting`).
"""

from collections.abc import Sequence

import structlog

from sluice_api.application.counting import Arrived, Place, RowWrite, plan
from sluice_api.application.projector.ports import ProjectionStore, Recount
from sluice_api.application.projector.verification import Verification
from sluice_common.bus import Received
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus

_log = structlog.get_logger()


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
        executions = [r for r in batch if isinstance(r.message, ExecutionChanged)]
        if executions:
            await self._write_executions(executions)
        for received in batch:
            await self._verification.take(received.message)
        return {r.message.task_id for r in executions if r.message.status.is_final}

    async def _write_executions(self, batch: Sequence[Received]) -> None:
        arrived = _newest_executions(batch)
        ends = {r.partition: r.offset for r in batch}
        rows = await self._store.rows([a.snapshot.execution_id for a in arrived])
        counts = await self._store.counts({a.snapshot.task_id for a in arrived})
        wanted = plan(arrived, rows, counts, ends)
        await self._store.update_executions(wanted.writes)
        restored = await self._restore([a for a in arrived if a.snapshot.execution_id not in rows])
        changed = {task: await self._store.change_counts(task, change) for task, change in wanted.counts.items()}
        # Nobody knows as what restored rows were counted, nor what a replica counts that had the partition before.
        for task_id in restored | {task_id for task_id, is_changed in changed.items() if not is_changed}:
            await self._recount.recount(task_id, ends)

    async def _restore(self, missing: Sequence[Arrived]) -> set[str]:
        """Insert rows that are missing although their task is there; return the tasks."""
        if not missing:
            return set()
        apps = await self._store.apps_of_tasks({a.snapshot.task_id for a in missing})
        restored = [a for a in missing if apps.get(a.snapshot.task_id) == a.snapshot.app_id]
        if len(restored) < len(missing):
            _log.info("snapshots_of_deleted_tasks", count=len(missing) - len(restored))
        await self._store.insert_executions(
            [RowWrite(snapshot=a.snapshot, before=ExecutionStatus.WAITING, place=a.place) for a in restored]
        )
        return {a.snapshot.task_id for a in restored}


def _newest_executions(batch: Sequence[Received]) -> list[Arrived]:
    found: dict[str, Received] = {}
    for received in batch:
        known = found.setdefault(received.message.execution_id, received)
        if received.message.version > known.message.version:
            found[received.message.execution_id] = received
    return [Arrived(r.message, Place(r.partition, r.offset)) for r in found.values()]
