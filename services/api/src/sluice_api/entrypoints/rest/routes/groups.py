"""Groups of devices."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as FromQuery

from sluice_api.domain import models
from sluice_api.domain.errors import NotFoundError
from sluice_api.entrypoints.rest.dependencies import Operator, Reader, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.idempotency import Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.devices import Group, GroupIn, GroupPage, GroupQuery, Members, MembersResult

router = APIRouter(route_class=GuardedRoute, prefix="/groups", tags=["groups"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=Group, responses=responses(HTTPStatus.CONFLICT))
async def create_group(caller: Operator, services: Wired, creation: Creation, body: GroupIn) -> Response:
    """Create a group; its name is unique."""

    async def create(group_id: str) -> Group:
        group = models.Group(group_id=group_id, app_id=caller.app_id, name=body.name, created_at=services.now())
        await services.groups.add(group)
        return Group.of(group)

    async def load(group_id: str) -> Group | None:
        group = await services.groups.find(caller.app_id, group_id)
        return Group.of(group) if group else None

    return await creation.answer(create, load)


@router.get("")
async def list_groups(caller: Reader, services: Wired, query: Annotated[GroupQuery, FromQuery()]) -> GroupPage:
    """List groups."""
    page = await services.groups.page(caller.app_id, query.wanted(), query.limit, query.after)
    return GroupPage(items=[Group.of(item) for item in page.items], next=page.next)


@router.get("/{group_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_group(caller: Reader, services: Wired, group_id: str) -> Group:
    """Get a group; `GET /devices?group_id=` lists its devices."""
    return Group.of(await services.groups.get(caller.app_id, group_id))


@router.delete("/{group_id}", status_code=HTTPStatus.NO_CONTENT, responses=responses(HTTPStatus.NOT_FOUND))
async def delete_group(caller: Operator, services: Wired, group_id: str) -> None:
    """Delete a group; its devices stay."""
    await services.groups.delete(caller.app_id, group_id)


@router.post("/{group_id}/devices", responses=responses(HTTPStatus.NOT_FOUND))
async def add_members(caller: Operator, services: Wired, group_id: str, body: Members) -> MembersResult:
    """Put devices into a group; repeating it changes nothing."""
    await services.groups.get(caller.app_id, group_id)
    device_ids = sorted(set(body.device_ids))
    await services.devices.require_all(caller.app_id, device_ids)
    return MembersResult(added=await services.groups.add_members(caller.app_id, group_id, device_ids))


@router.delete(
    "/{group_id}/devices/{device_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND),
)
async def remove_member(caller: Operator, services: Wired, group_id: str, device_id: str) -> None:
    """Take a device out of a group; a task under way goes on."""
    await services.groups.get(caller.app_id, group_id)
    if not await services.groups.remove_member(caller.app_id, group_id, device_id):
        raise NotFoundError("device in this group", device_id)
