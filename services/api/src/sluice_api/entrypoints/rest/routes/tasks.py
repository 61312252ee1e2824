"""Tasks and executions."""

from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Response
from fastapi import Query as FromQuery

from sluice_api.application import tasks
from sluice_api.application.executions import stop_execution
from sluice_api.domain import models
from sluice_api.domain.tasks import NewTask, bounded_timeouts, check_end
from sluice_api.entrypoints.rest.dependencies import Operator, Reader, Settings, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.idempotency import Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.tasks import (
    Execution,
    ExecutionPage,
    ExecutionQuery,
    Task,
    TaskExecutionQuery,
    TaskIn,
    TaskPage,
    TaskQuery,
)

router = APIRouter(route_class=GuardedRoute, prefix="/tasks", tags=["tasks"])
executions = APIRouter(route_class=GuardedRoute, tags=["executions"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=Task, responses=responses(HTTPStatus.CONFLICT))
async def create_task(
    caller: Operator, services: Wired, settings: Settings, creation: Creation, body: TaskIn
) -> Response:
    """Upgrade devices to a package: those that are listed, or those that are in groups now.

    Answers 409 and names devices that have a pending command or an active upgrade. Devices of another product than
    the package's fail, the others go on. What made a package unusable, or its version too low, since then is looked
    at once more when the task begins: it then stops, and `stop_reason` says why.
    """
    now, policy = services.now(), body.policy.as_record(models.TaskPolicy)
    check_end(policy, now)
    given = body.policy.timeouts.model_fields_set
    timeouts = bounded_timeouts(policy.timeouts, given, settings.max_slot_timeout)

    async def create(task_id: str) -> Task:
        new = NewTask(
            task_id=task_id,
            app_id=caller.app_id,
            name=body.name,
            package_id=body.package_id,
            targets=body.targets.targets(),
            policy=msgspec.structs.replace(policy, timeouts=timeouts),
        )
        return Task.of(await tasks.create_task(services, new, now, caller.traceparent))

    async def load(task_id: str) -> Task | None:
        task = await services.tasks.find(caller.app_id, task_id)
        return Task.of(task) if task else None

    return await creation.answer(create, load)


@router.get("")
async def list_tasks(caller: Reader, services: Wired, query: Annotated[TaskQuery, FromQuery()]) -> TaskPage:
    """List tasks with their progress."""
    page = await services.tasks.page(caller.app_id, query.wanted(), query.limit, query.after)
    return TaskPage(items=[Task.of(item) for item in page.items], next=page.next)


@router.get("/{task_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_task(caller: Reader, services: Wired, task_id: str) -> Task:
    """Get a task with its progress, which follows what devices do within seconds."""
    return Task.of(await services.tasks.get(caller.app_id, task_id))


@router.post(
    "/{task_id}/stop",
    status_code=HTTPStatus.ACCEPTED,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def stop_task(caller: Operator, services: Wired, task_id: str) -> Task:
    """Stop a task; executions that have not ended end as STOPPED. Repeating it is harmless."""
    return Task.of(await tasks.stop_task(services.tasks, caller.app_id, task_id, services.now(), caller.traceparent))


@router.delete(
    "/{task_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_task(caller: Operator, services: Wired, task_id: str) -> None:
    """Delete a task that has ended, with its executions; one that is under way answers 409."""
    await tasks.delete_task(services.tasks, caller.app_id, task_id, services.now())


@executions.get("/tasks/{task_id}/executions", responses=responses(HTTPStatus.NOT_FOUND))
async def list_task_executions(
    caller: Reader, services: Wired, task_id: str, query: Annotated[TaskExecutionQuery, FromQuery()]
) -> ExecutionPage:
    """List the executions of a task, by device."""
    page = await services.executions.of_task(
        await services.tasks.get(caller.app_id, task_id),
        device_id=query.device_id,
        status=query.status,
        limit=query.limit,
        after=query.after,
    )
    return ExecutionPage(items=[Execution.of(item) for item in page.items], next=page.next)


@executions.get("/devices/{device_id}/executions", responses=responses(HTTPStatus.NOT_FOUND))
async def list_device_executions(
    caller: Reader, services: Wired, device_id: str, query: Annotated[ExecutionQuery, FromQuery()]
) -> ExecutionPage:
    """List the executions of a device, oldest task first."""
    await services.devices.get(caller.app_id, device_id)
    page = await services.executions.of_device(caller.app_id, device_id, query.status, query.limit, query.after)
    return ExecutionPage(items=[Execution.of(item) for item in page.items], next=page.next)


@executions.get("/executions/{execution_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_execution(caller: Reader, services: Wired, execution_id: str) -> Execution:
    """Get an execution with the history of its attempts."""
    return Execution.of(await services.executions.get(caller.app_id, execution_id))


@executions.post(
    "/executions/{execution_id}/stop",
    status_code=HTTPStatus.ACCEPTED,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def stop_one_execution(caller: Operator, services: Wired, execution_id: str) -> Execution:
    """Stop one execution; it ends as STOPPED, unless its result is known already. Repeating it is harmless."""
    stopped = await stop_execution(services.executions, caller.app_id, execution_id, services.now(), caller.traceparent)
    return Execution.of(stopped)
