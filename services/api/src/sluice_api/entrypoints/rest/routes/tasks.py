"""Tasks and executions."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Query as FromQuery

from sluice_api.adapters.mongo.collections import Document
from sluice_api.application.services import Services
from sluice_api.domain.errors import InvalidError
from sluice_api.entrypoints.rest.dependencies import App, Wired
from sluice_api.entrypoints.rest.idempotency import Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.tasks import (
    Execution,
    ExecutionPage,
    ExecutionQuery,
    Reason,
    Targets,
    Task,
    TaskExecutionQuery,
    TaskIn,
    TaskPage,
    TaskQuery,
)

router = APIRouter(prefix="/tasks", tags=["tasks"])
executions = APIRouter(tags=["executions"])
_BULKY = ("targets.device_ids",)


@router.post("", status_code=HTTPStatus.CREATED, response_model=Task, responses=responses(HTTPStatus.CONFLICT))
async def create_task(caller: App, services: Wired, creation: Creation, body: TaskIn) -> Response:
    """Upgrade devices to a package: those that are listed, or those that are in groups now.

    Answers 409 and names devices that have a pending command or an active upgrade. Devices of another product than
    the package's fail, the others go on. What made a package unusable, or its version too low, since then is looked
    at once more when the task begins: it then stops, and `stop_reason` says why.
    """
    now = services.now()
    if body.policy.end_at is not None and body.policy.end_at <= now:
        raise InvalidError("policy.end_at", "lies in the past")
    targets = _targets(body.targets)

    async def create(task_id: str) -> Task:
        await _check_targets(services, caller.app_id, targets)
        await services.conflicts.require_free(caller.app_id, targets)
        task = {
            "_id": task_id,
            "app_id": caller.app_id,
            "name": body.name,
            "package_id": body.package_id,
            "targets": targets,
            "policy": body.policy.model_dump(),
        }
        return Task.of(await services.tasks.create(task, now, caller.traceparent))

    async def load(task_id: str) -> Task | None:
        document = await services.tasks.find(caller.app_id, task_id)
        return Task.of(document) if document else None

    return await creation.answer(create, load)


def _targets(targets: Targets) -> Document:
    return {name: sorted(set(ids)) for name, ids in targets.model_dump(exclude_none=True).items()}


async def _check_targets(services: Services, app_id: str, targets: Document) -> None:
    if "group_ids" in targets:
        await services.groups.named(app_id, targets["group_ids"])
    else:
        await services.devices.all_of(app_id, targets["device_ids"])


@router.get("")
async def list_tasks(caller: App, services: Wired, query: Annotated[TaskQuery, FromQuery()]) -> TaskPage:
    """List tasks with their progress."""
    documents, after = await services.tasks.page(caller.app_id, query.wanted(), query.limit, query.after, _BULKY)
    return TaskPage(items=[Task.of(d) for d in documents], next=after)


@router.get("/{task_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_task(caller: App, services: Wired, task_id: str) -> Task:
    """Get a task with its progress, which is counted at most every two seconds."""
    return Task.of(await services.tasks.get(caller.app_id, task_id))


@router.post(
    "/{task_id}/stop",
    status_code=HTTPStatus.ACCEPTED,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def stop_task(caller: App, services: Wired, task_id: str) -> Task:
    """Stop a task; executions that have not ended end as STOPPED. Repeating it is harmless."""
    return Task.of(await services.tasks.stop(caller.app_id, task_id, services.now(), caller.traceparent))


@router.delete(
    "/{task_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_task(caller: App, services: Wired, task_id: str) -> None:
    """Delete a task that has ended, with its executions; one that is under way answers 409."""
    await services.tasks.remove(caller.app_id, task_id, services.now())


@executions.get("/tasks/{task_id}/executions", responses=responses(HTTPStatus.NOT_FOUND))
async def list_task_executions(
    caller: App, services: Wired, task_id: str, query: Annotated[TaskExecutionQuery, FromQuery()]
) -> ExecutionPage:
    """List the executions of a task, by device."""
    await services.tasks.get(caller.app_id, task_id)
    status = query.status.value if query.status else None
    documents, after = await services.executions.of_task(task_id, query.device_id, status, query.limit, query.after)
    return ExecutionPage(items=[execution_of(d) for d in documents], next=after)


@executions.get("/devices/{device_id}/executions", responses=responses(HTTPStatus.NOT_FOUND))
async def list_device_executions(
    caller: App, services: Wired, device_id: str, query: Annotated[ExecutionQuery, FromQuery()]
) -> ExecutionPage:
    """List the executions of a device, oldest task first."""
    await services.devices.get(caller.app_id, device_id)
    status = query.status.value if query.status else None
    documents, after = await services.executions.of_device(caller.app_id, device_id, status, query.limit, query.after)
    return ExecutionPage(items=[execution_of(d) for d in documents], next=after)


@executions.get("/executions/{execution_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_execution(caller: App, services: Wired, execution_id: str) -> Execution:
    """Get an execution with the history of its attempts."""
    return execution_of(await services.executions.get(caller.app_id, execution_id))


def execution_of(document: Document) -> Execution:
    """Return what users see of a stored execution: reasons with their texts (D14)."""
    history = [entry | {"reason": _reason(entry.get("reason"))} for entry in document["history"]]
    shown = {"execution_id": document["_id"], "reason": _reason(document.get("reason")), "history": history}
    return Execution.model_validate(document | shown)


def _reason(reason: dict[str, Any] | None) -> Reason | None:
    return None if reason is None else Reason.of(reason["code"], reason.get("params", {}))
