"""What both readers of `execution-events` do with rows: the newest snapshot of each, and rows that are missing."""

from collections.abc import Iterable, Sequence

import structlog

from sluice_api.application.counting import Arrived, Place, RowWrite
from sluice_api.application.projector.ports import Rows
from sluice_common.bus import Received
from sluice_common.messages.execution_events import ExecutionStatus

_log = structlog.get_logger()


def newest_executions(batch: Iterable[Received]) -> list[Arrived]:
    """Return the newest of the snapshots of each execution."""
    found: dict[str, Received] = {}
    for received in batch:
        known = found.setdefault(received.message.execution_id, received)
        if received.message.version > known.message.version:
            found[received.message.execution_id] = received
    return [Arrived(r.message, Place(r.partition, r.offset)) for r in found.values()]


async def restore(store: Rows, missing: Sequence[Arrived]) -> set[str]:
    """Insert rows that are missing although their task is there; return the tasks."""
    if not missing:
        return set()
    apps = await store.apps_of_tasks({a.snapshot.task_id for a in missing})
    restored = [a for a in missing if apps.get(a.snapshot.task_id) == a.snapshot.app_id]
    if len(restored) < len(missing):
        _log.info("snapshots_of_deleted_tasks", count=len(missing) - len(restored))
    await store.insert_executions(
        [RowWrite(snapshot=a.snapshot, before=ExecutionStatus.WAITING, place=a.place) for a in restored]
    )
    return {a.snapshot.task_id for a in restored}
