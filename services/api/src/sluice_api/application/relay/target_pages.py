"""The devices of a task, in pages: of its list, of its groups, or of those that failed in another task.

Snapshot rules: devices of a group count that were created before the task begins (ids sort by time) and are in it
when their page is read; executions of a task to be retried count that have ended so when their page is read.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial

from sluice_api.application.relay.ports import ExpansionStore
from sluice_api.application.relay.records import Member, PlannedPage
from sluice_api.domain.models import Task
from sluice_common.messages.execution_events import ExecutionStatus

Part = Callable[[str], AsyncGenerator[tuple[str, Sequence[Member]], None]]
"""Devices behind one, in pages, each with the last id that was read for it."""


async def pages_of(store: ExpansionStore, task: Task, page: int) -> AsyncGenerator[PlannedPage, None]:
    """Yield the pages of a task behind its checkpoint."""
    start, last = task.expansion.group, task.expansion.after
    for group, part in list(enumerate(_parts(store, task, page)))[start:]:
        async with aclosing(part(last if group == start else "")) as found:
            async for after, members in found:
                yield PlannedPage(group=group, after=after, members=members)


def _parts(store: ExpansionStore, task: Task, page: int) -> Sequence[Part]:
    targets = task.targets
    if targets.failed_of is not None:
        return [partial(_ended, store, targets.failed_of, status, page) for status in targets.statuses]
    if targets.group_ids is not None:
        return [partial(_of_group, store, task, group_id, page) for group_id in targets.group_ids]
    return [partial(_listed, store, targets.device_ids or (), page)]


async def _listed(
    store: ExpansionStore, device_ids: Sequence[str], page: int, after: str
) -> AsyncGenerator[tuple[str, Sequence[Member]], None]:
    left = [device_id for device_id in device_ids if device_id > after]
    for first in range(0, len(left), page):
        ids = left[first : first + page]
        yield ids[-1], await store.members(ids)


async def _of_group(
    store: ExpansionStore, task: Task, group_id: str, page: int, after: str
) -> AsyncGenerator[tuple[str, Sequence[Member]], None]:
    before = _first_id_after(task.begins_at)
    found = store.members_of_group(task.app_id, group_id, after=after, before=before, page=page)
    async with aclosing(found) as pages:
        async for members in pages:
            yield members[-1].device_id, members


async def _ended(
    store: ExpansionStore, task_id: str, status: ExecutionStatus, page: int, after: str
) -> AsyncGenerator[tuple[str, Sequence[Member]], None]:
    async with aclosing(store.devices_of_task(task_id, status, after=after, page=page)) as pages:
        async for ids in pages:
            yield ids[-1], sorted(await store.members(ids), key=lambda member: member.device_id)


def _first_id_after(at: datetime) -> str:
    """Return the least id that is made after the second of a time."""
    return f"{int(at.timestamp()) + 1:08x}"
