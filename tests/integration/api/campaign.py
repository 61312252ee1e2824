"""A campaign as its task, the scheduler's answers and Kafka show it."""

from typing import Any

import httpx
import msgspec
from tests.integration.api.api_client import APP, Json, made
from tests.integration.api.kafka_client import Bus
from tests.integration.api.waiting import eventually

from sluice_common.ids import execution_id
from sluice_common.messages.base import now
from sluice_common.messages.device_events import ExecutionRequested
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus, Step
from sluice_common.topics import DEVICE_EVENTS, EXECUTION_EVENTS

ENDED = {ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED, ExecutionStatus.STOPPED}


def requested(bus: Bus, task: Json, kind: Any = ExecutionRequested) -> list[Any]:
    """Return the messages of a kind that a task has caused so far."""
    return [m for m in bus.read(DEVICE_EVENTS) if isinstance(m, kind) and m.task_id == task["task_id"]]


def requests_of_all(bus: Bus, task: Json, count: int, kind: Any = ExecutionRequested) -> list[Any]:
    """Wait until a task has caused messages for so many devices; return them."""

    def all_of_them() -> list[Any]:
        found = requested(bus, task, kind)
        return found if len({m.device_id for m in found}) == count else []

    return eventually(all_of_them)


def snapshot(task: Json, device_id: str, status: str, version: int = 1, **changes: Any) -> ExecutionChanged:
    """Return what the scheduler says of an execution."""
    ended = ExecutionStatus(status) in ENDED
    plain = ExecutionChanged(
        app_id=APP,
        occurred_at=now(),
        execution_id=execution_id(task["task_id"], device_id),
        task_id=task["task_id"],
        device_id=device_id,
        version=version,
        status=ExecutionStatus(status),
        step=Step.ENDED if ended else Step.DOWNLOADING,
        attempt=1,
        max_retries=0,
        target_version="2.0",
        created_at=now(),
        ended_at=now() if ended else None,
    )
    return msgspec.structs.replace(plain, **changes)


def publish(bus: Bus, *snapshots: ExecutionChanged) -> None:
    """Publish snapshots as the scheduler does."""
    for s in snapshots:
        bus.publish(EXECUTION_EVENTS, (s.execution_id, s), partition_key=s.device_id)


def state(app: httpx.Client, task: Json) -> Json:
    """Return a task."""
    return made(app.get(f"/tasks/{task['task_id']}"))


def wait_for(app: httpx.Client, task: Json, **wanted: Any) -> Json:
    """Wait until a task shows what is wanted; return it."""

    def look() -> Json:
        found = state(app, task)
        return found if all(found[k] == v for k, v in wanted.items()) else {}

    return eventually(look)


def counted(**counts: int) -> dict[str, int]:
    """Return progress with these counts."""
    names = ("waiting", "running", "succeeded", "failed", "stopped")
    return {"total": sum(counts.values())} | {name: counts.get(name, 0) for name in names}
