"""`bench executions`: what a task of 20,000 offline devices costs the database, and how soon it is shown.

Only the database runs; the adapters of the API and the projector are called as their processes call them.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console

from sluice_api.adapters.mongo.collections import ensure_indexes
from sluice_api.adapters.mongo.executions import Executions
from sluice_api.adapters.mongo.projector.projection import MongoProjectionStore
from sluice_api.adapters.mongo.projector.verification import MongoVerificationStore
from sluice_api.adapters.mongo.relay.tasks import MongoTaskStore
from sluice_api.adapters.mongo.task_progress import MongoProgressStore
from sluice_api.adapters.mongo.tasks import Tasks
from sluice_api.application.projector.projection import Projection
from sluice_api.application.projector.verification import Verification
from sluice_api.application.relay.records import Member, PlannedPage
from sluice_api.application.task_progress import TaskProgress
from sluice_api.domain.models import Checkpoint, Progress, Targets, Task, TaskPolicy, TaskStatus
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.bus import Received
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus, HistoryEntry, Step
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot
from sluice_common.mongo import Database, connect
from sluice_common.settings import CommonSettings
from sluice_embedded.install import HOME
from sluice_embedded.running import reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

TARGET_PAGE_MS: Final = 50.0
TARGET_STOP_S: Final = 30.0
_PAGE: Final = 1000
_BATCH: Final = 5000
_LIMIT: Final = 100
_ASKED: Final = 20
_AT = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--devices", type=int, default=20_000, help="executions of the task")
    parser.add_argument("--port-base", type=int, default=24_600, help="lowest port")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Return the figures."""
    settings = EmbeddedSettings(
        state_dir=HOME / "bench" / "executions", port_base=options.port_base, mongodb_uri=None, kafka_bootstrap=None
    )
    reset(settings)
    with Stack(settings, services={"mongodb"}, progress=lambda text: console.print(text, style="dim")) as stack:
        return asyncio.run(_figures(stack, options.devices, console))


async def _figures(stack: Stack, devices: int, console: Console) -> dict[str, Any]:
    async with _database(stack) as database:
        task, members = _task(), sorted((_member() for _ in range(devices)), key=lambda m: m.device_id)
        figures: dict[str, Any] = {"devices": devices}
        console.print("Inserting the executions.", style="dim")
        figures["insert_ms_each"] = await _cost(stack, devices, lambda: _expand(database, task, members))
        figures["page_ms"] = await _page_ms(database, task, None)
        figures["rare_page_ms"] = await _page_ms(database, task, ExecutionStatus.FAILED)
        figures["task_ms"] = await _median_ms(lambda: Tasks(database).get("a", task.task_id))
        console.print("Ending them.", style="dim")
        began = time.monotonic()
        figures["end_ms_each"] = await _cost(stack, devices, lambda: _end(database, task, members))
        figures["end_s"] = round(time.monotonic() - began, 1)
        ended = await Tasks(database).get("a", task.task_id)
        exact = ended.progress == Progress(total=devices, stopped=devices) and ended.status is TaskStatus.STOPPED
    met = exact and figures["page_ms"] <= TARGET_PAGE_MS and figures["end_s"] <= TARGET_STOP_S
    return figures | {"target_page_ms": TARGET_PAGE_MS, "target_end_s": TARGET_STOP_S, "exact": exact, "met": met}


@asynccontextmanager
async def _database(stack: Stack) -> AsyncIterator[Database]:
    async with connect(CommonSettings(mongodb_uri=stack.endpoints.mongodb_uri)) as database:
        await ensure_indexes(database)
        yield database


async def _cost(stack: Stack, count: int, work: Callable[[], Coroutine[Any, Any, None]]) -> float:
    """Return the database's milliseconds of CPU for each of so many."""
    before = stack.cpu_seconds()["mongodb"]
    await work()
    return round((stack.cpu_seconds()["mongodb"] - before) / count * 1000, 3)


async def _median_ms(ask: Callable[[], Coroutine[Any, Any, Any]]) -> float:
    took = []
    for _ in range(_ASKED):
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(took), 1)


async def _page_ms(database: Database, task: Task, status: ExecutionStatus | None) -> float:
    executions = Executions(database)

    async def page() -> None:
        await executions.of_task(task, device_id=None, status=status, limit=_LIMIT, after=None)

    return await _median_ms(page)


async def _expand(database: Database, task: Task, members: Sequence[Member]) -> None:
    await Tasks(database).add(task, OutboxMessage("task-events", task.task_id, "{}"))
    store = MongoTaskStore(database)
    for number, first in enumerate(range(0, len(members), _PAGE)):
        some = members[first : first + _PAGE]
        await store.add_page(task.task_id, number, PlannedPage(group=0, after=some[-1].device_id, members=some))
        await store.insert_executions(task, number, some)
        await store.save_checkpoint(
            task.task_id, number, Checkpoint(page=number + 1, after=some[-1].device_id, total=first + len(some))
        )
    await store.complete_expansion(task.task_id)


async def _end(database: Database, task: Task, members: Sequence[Member]) -> None:
    progress = TaskProgress(MongoProgressStore(database))
    projection = Projection(MongoProjectionStore(database), Verification(MongoVerificationStore(database)), progress)
    for first in range(0, len(members), _BATCH):
        some = enumerate(members[first : first + _BATCH], first)
        await projection.write([Received(_ended(task, member), "execution-events", 0, at) for at, member in some])
    await progress.end_if_done(task.task_id, datetime.now(UTC))


def _ended(task: Task, member: Member) -> ExecutionChanged:
    steps = (Step.WAITING, Step.AWAIT_ONLINE, Step.ENDED)
    return ExecutionChanged(
        app_id="a",
        occurred_at=_AT,
        execution_id=execution_id(task.task_id, member.device_id),
        task_id=task.task_id,
        device_id=member.device_id,
        version=3,
        status=ExecutionStatus.STOPPED,
        step=Step.ENDED,
        attempt=1,
        max_retries=0,
        target_version="2",
        created_at=_AT,
        ended_at=_AT,
        history=tuple(HistoryEntry(at=_AT, attempt=1, step=step) for step in steps),
    )


def _member() -> Member:
    return Member(device_id=new_id(), product_id=new_id(), endpoint=f"urn:{new_id()}", group_ids=["g" * 24])


def _task() -> Task:
    return Task(
        task_id=new_id(),
        app_id="a",
        name="bench",
        package_id="p",
        targets=Targets(group_ids=("g" * 24,)),
        policy=TaskPolicy(),
        status=TaskStatus.STOPPING,
        result=None,
        progress=Progress(),
        package=PackageSnapshot(package_id="p", version="2", image_id="i", image_size=1, image_sha256="00"),
        product=ProductSnapshot(product_id="m"),
        expansion=Checkpoint(),
        created_at=_AT,
        ended_at=None,
    )
