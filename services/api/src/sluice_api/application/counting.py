"""How many executions of a task have ended, and how: kept from snapshot to snapshot, exact whatever comes again. Pure.

Only ends are counted: which of the others still wait is told by the clock. A row has the place in Kafka of the snapshot
that ended it, and the status that it had before. A task's counts have, for each partition, the place up to which they
count. Rows are written first, counts after them, both for a whole batch. So a row whose place lies behind its
partition's position was written but not counted: the process ended in between, and the batch comes again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus


class Place(msgspec.Struct, frozen=True):
    """Where a snapshot stands in `execution-events`."""

    partition: int
    offset: int


class Arrived(msgspec.Struct, frozen=True):
    """A snapshot and its place."""

    snapshot: ExecutionChanged
    place: Place


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of an execution.

    Attributes:
        version: Of the snapshot that it was written with; -1 before the first.
        status: Of that.
        clocked: Whether the end of WAITING is known by the clock.
        before: Status that it had before it ended.
        place: Of the snapshot that ended it, or restored it; None before that.
    """

    version: int
    status: ExecutionStatus
    clocked: bool = False
    before: ExecutionStatus = ExecutionStatus.WAITING
    place: Place | None = None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a task. Those that have not ended are not counted: they are the rest.

    Attributes:
        by_status: Executions of each status.
        positions: By partition, the offset up to which snapshots are counted.
        is_new: Whether they are not stored yet.
    """

    by_status: dict[ExecutionStatus, int] = {}
    positions: dict[int, int] = {}
    is_new: bool = True


class RowWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is written with a snapshot."""

    snapshot: ExecutionChanged
    before: ExecutionStatus
    place: Place


class CountChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch changes of a task's counts.

    Attributes:
        before: The counts as they were read; of their positions only those of the batch's partitions matter.
        by_status: What is to be added.
        positions: The positions that follow.
    """

    before: Counts
    by_status: dict[ExecutionStatus, int]
    positions: dict[int, int]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch changes: first the rows, then the counts, by task."""

    writes: Sequence[RowWrite]
    counts: Mapping[str, CountChange]


def counted_as(row: Row, counts: Counts) -> ExecutionStatus:
    """Return the status under which a row is counted."""
    if row.place is not None and row.place.offset > counts.positions.get(row.place.partition, -1):
        return row.before
    return row.status


def plan(
    arrived: Sequence[Arrived], rows: Mapping[str, Row], counts: Mapping[str, Counts], ends: Mapping[int, int]
) -> Plan:
    """Return what a batch changes.

    Args:
        arrived: The newest snapshot of each execution that has ended; those without a row are left out.
        rows: By execution.
        counts: By task; those that have none yet are absent.
        ends: The last offset of the batch in each partition.
    """
    writes: list[RowWrite] = []
    changes: dict[str, CountChange] = {}
    for one in arrived:
        snapshot = one.snapshot
        row, before = rows.get(snapshot.execution_id), counts.get(snapshot.task_id, Counts())
        if row is None:
            continue
        was = now = counted_as(row, before)
        if snapshot.version > row.version:
            writes.append(RowWrite(snapshot=snapshot, before=was, place=one.place))
            now = snapshot.status
        elif row.place is not None and row.place.offset <= ends[one.place.partition]:
            now = row.status  # written when this batch, or a part of it, came before
        if now is not was and (now.is_final or was.is_final):
            _note(changes, snapshot.task_id, before, was, now)
            changes[snapshot.task_id].positions[one.place.partition] = ends[one.place.partition]
    return Plan(writes=writes, counts=changes)


def _note(
    changes: dict[str, CountChange], task_id: str, before: Counts, was: ExecutionStatus, now: ExecutionStatus
) -> None:
    change = changes.setdefault(task_id, CountChange(before=before, by_status=Counter(), positions={}))
    for status, step in ((was, -1), (now, 1)):
        if status.is_final:
            change.by_status[status] = change.by_status.get(status, 0) + step
