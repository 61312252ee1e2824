"""From a task to its executions, page by page, in constant memory and safe against ending at any point.

The executions' own rows are the frozen membership: a row is inserted before its device's `ExecutionRequested` is
published, and stopping and counting walk the rows. A page is: read devices, insert rows, publish one
`ExecutionRequested` per row, wait until Kafka has them all, write the checkpoint. A relay that resumes a task first
publishes the rows that were inserted behind the checkpoint, as they may not have been published, then reads on from
the checkpoint; ids are deterministic, so that what is done twice changes nothing.

Snapshot rule: devices of a group count that were created before the task begins (ids sort by time) and are in the group
when their page is read.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import NamedTuple

from sluice_api.application.relay.ports import ExpansionStore, Publisher
from sluice_api.application.relay.records import Member
from sluice_api.domain.models import Checkpoint, Task
from sluice_api.domain.tasks import product_for
from sluice_common.ids import execution_id
from sluice_common.messages.device_events import ExecutionRequested
from sluice_common.topics import DEVICE_EVENTS


class OvertakenError(Exception):
    """Another relay has moved the checkpoint: it works on this task."""


class _Page(NamedTuple):
    group: int
    after: str
    members: Sequence[Member]


class Expansion:
    """The expansion of one task.

    Args:
        store: Tasks, devices and executions.
        publisher: To Kafka.
        task: The task as stored.
        page: Devices of a page.
    """

    def __init__(self, store: ExpansionStore, publisher: Publisher, task: Task, page: int) -> None:
        self._store = store
        self._publisher = publisher
        self._task = task
        self._policy = task.policy.of_executions()
        self._page = page
        self._checkpoint = task.expansion
        self._pages = self._read()
        self._resumed = False

    async def step(self, now: datetime) -> bool:
        """Do one page; return whether there was one.

        Raises:
            OvertakenError: Another relay works on the task.
        """
        if not self._resumed:
            self._resumed = True
            await self._store.begin_expansion(self._task.task_id)
            await self._publish_inserted(now)
        page = await anext(self._pages, None)
        if page is None:
            return False
        await self._store.insert_executions(self._task, self._checkpoint.page, page.members)
        await self._publish(page.members, now)
        await self._save(page)
        return True

    async def finish(self) -> None:
        """Let the task run: all its executions are there. One that is being stopped stays so."""
        await self._store.finish_expansion(self._task.task_id)

    async def close(self) -> None:
        """Close the cursor."""
        await self._pages.aclose()

    async def _read(self) -> AsyncGenerator[_Page, None]:
        """Yield pages of devices behind the checkpoint."""
        targets, start, last = self._task.targets, self._checkpoint.group, self._checkpoint.after
        left = [device_id for device_id in targets.device_ids or () if device_id > last]
        for first in range(0, len(left), self._page):
            device_ids = left[first : first + self._page]
            yield _Page(0, device_ids[-1], await self._store.members(device_ids))
        before = _first_id_after(self._task.begins_at)
        for group, group_id in list(enumerate(targets.group_ids or ()))[start:]:
            members = self._store.members_of_group(
                self._task.app_id, group_id, after=last if group == start else "", before=before, page=self._page
            )
            async with aclosing(members) as pages:
                async for page in pages:
                    yield _Page(group, page[-1].device_id, page)

    async def _publish_inserted(self, now: datetime) -> None:
        """Publish what was inserted but perhaps not published: the page that follows the checkpoint."""
        await self._publish(await self._store.members_of_page(self._task.task_id, self._checkpoint.page), now)

    async def _publish(self, members: Sequence[Member], now: datetime) -> None:
        await self._publisher.publish_all(
            (DEVICE_EVENTS, member.device_id, self._request(member, now)) for member in members
        )

    def _request(self, member: Member, now: datetime) -> ExecutionRequested:
        return ExecutionRequested(
            app_id=self._task.app_id,
            occurred_at=now,
            device_id=member.device_id,
            execution_id=execution_id(self._task.task_id, member.device_id),
            task_id=self._task.task_id,
            product=product_for(member.product_id, self._task.product),
            package=self._task.package,
            policy=self._policy,
            created_at=self._task.begins_at,
        )

    async def _save(self, page: _Page) -> None:
        before = self._checkpoint.page
        checkpoint = Checkpoint(page=before + 1, group=page.group, after=page.after, complete=False)
        if not await self._store.save_checkpoint(self._task.task_id, before, checkpoint):
            raise OvertakenError(self._task.task_id)
        self._checkpoint = checkpoint


class LastPage(Expansion):
    """The end of the expansion of a task that was stopped meanwhile: no further device joins.

    A page that was inserted is published, so that the scheduler knows every execution before it is asked to stop it.
    """

    async def step(self, now: datetime) -> bool:
        """Publish what was inserted; there is no further page."""
        await self._publish_inserted(now)
        return False

    async def finish(self) -> None:
        """Mark the executions as complete; stopping follows."""
        await self._store.complete_expansion(self._task.task_id)


def _first_id_after(at: datetime) -> str:
    """Return the least id that is made after the second of a time."""
    return f"{int(at.timestamp()) + 1:08x}"
