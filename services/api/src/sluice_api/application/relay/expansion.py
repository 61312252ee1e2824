"""From a task to its executions, page by page, in constant memory and safe against ending at any point.

The executions' own rows are the frozen membership: a row is inserted before its device's `ExecutionRequested` is
published, and stopping walks the rows. A page is: read devices, store which they are, insert rows, publish one
`ExecutionRequested` per row, wait until Kafka has them all, write the checkpoint with the number of rows. A relay that
resumes a task first completes the page behind the checkpoint as it was stored, then reads on (`target_pages`); ids are
deterministic, so that what is done twice changes nothing. So the checkpoint has the exact number of executions without
counting rows.
"""

import time
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from sluice_api.application.relay.ports import ExpansionStore, Publisher
from sluice_api.application.relay.records import Member, PlannedPage
from sluice_api.application.relay.target_pages import pages_of
from sluice_api.domain.models import Checkpoint, Task
from sluice_api.domain.tasks import product_for
from sluice_common.ids import execution_id
from sluice_common.messages.device_events import ExecutionRequested
from sluice_common.topics import DEVICE_EVENTS
from sluice_common.tracing import only_first, record

TRACED_DEVICES = 10
"""Devices of a task whose way can be followed as a trace."""


class OvertakenError(Exception):
    """Another relay has moved the checkpoint: it works on this task."""


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
        self._checkpoint = task.expansion
        self._pages = pages_of(store, task, page)
        self._resumed = False

    async def step(self, now: datetime) -> bool:
        """Do one page; return whether there was one.

        Raises:
            OvertakenError: Another relay works on the task.
        """
        if not self._resumed:
            self._resumed = True
            await self._store.begin_expansion(self._task.task_id)
            await self._complete_planned(now)
        page = await anext(self._pages, None)
        if page is None:
            return False
        if page.members and not await self._store.add_page(self._task.task_id, self._checkpoint.page, page):
            raise OvertakenError(self._task.task_id)
        await self._complete(page, now)
        return True

    async def finish(self) -> None:
        """Let the task run: all its executions are there. One that is being stopped stays so."""
        await self._store.finish_expansion(self._task.task_id)

    async def close(self) -> None:
        """Close the cursor."""
        await self._pages.aclose()

    async def _complete_planned(self, now: datetime) -> None:
        """Complete the page that follows the checkpoint, if one was stored: nobody knows how far it is."""
        task_id, number = self._task.task_id, self._checkpoint.page
        if number and not self._checkpoint.total:  # of a version that did not keep the number
            self._checkpoint = replace(self._checkpoint, total=await self._store.count_executions(task_id, number))
        if (page := await self._store.planned_page(task_id, number)) is not None:
            await self._complete(page, now)

    async def _complete(self, page: PlannedPage, now: datetime) -> None:
        members = await self._store.insert_executions(self._task, self._checkpoint.page, page.members)
        await self._publish(members, now)
        await self._save(page, len(members))

    async def _publish(self, members: Sequence[Member], now: datetime) -> None:
        began, first = time.time(), self._checkpoint.total
        requests = [self._request(member, now, first + number) for number, member in enumerate(members)]
        await self._publisher.publish_all((DEVICE_EVENTS, request.device_id, request) for request in requests)
        for request in requests[: max(0, TRACED_DEVICES - first)]:
            record("request execution", request.traceparent, began, execution_id=request.execution_id)

    def _request(self, member: Member, now: datetime, number: int) -> ExecutionRequested:
        return ExecutionRequested(
            app_id=self._task.app_id,
            occurred_at=now,
            traceparent=only_first(self._task.traceparent, number, TRACED_DEVICES),
            device_id=member.device_id,
            execution_id=execution_id(self._task.task_id, member.device_id),
            task_id=self._task.task_id,
            product=product_for(member.product_id, self._task.product),
            package=self._task.package,
            policy=self._policy,
            created_at=self._task.begins_at,
        )

    async def _save(self, page: PlannedPage, executions: int) -> None:
        before = self._checkpoint
        checkpoint = Checkpoint(
            page=before.page + 1, group=page.group, after=page.after, total=before.total + executions, complete=False
        )
        if not await self._store.save_checkpoint(self._task.task_id, before.page, checkpoint):
            raise OvertakenError(self._task.task_id)
        self._checkpoint = checkpoint


class LastPage(Expansion):
    """The end of the expansion of a task that was stopped meanwhile: no further device joins.

    A page that has begun is completed, so that the scheduler knows every execution before it is asked to stop it.
    """

    async def step(self, now: datetime) -> bool:
        """Complete the page that has begun; there is no further one."""
        await self._complete_planned(now)
        return False

    async def finish(self) -> None:
        """Mark the executions as complete; stopping follows."""
        await self._store.complete_expansion(self._task.task_id)
