"""Public keys of manufacturers: several at a time, so that they can be rotated without a pause."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as FromQuery

from sluice_api.application import public_keys
from sluice_api.domain.models import KeyStatus, PublicKey
from sluice_api.domain.public_keys import read_public_key
from sluice_api.entrypoints.rest.dependencies import KeyManager, Reader, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.idempotency import Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.products import Key, KeyIn, KeyPage, KeyQuery, KeyRevocation

router = APIRouter(route_class=GuardedRoute, prefix="/public-keys", tags=["public keys"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=Key, responses=responses(HTTPStatus.CONFLICT))
async def create_key(caller: KeyManager, services: Wired, creation: Creation, body: KeyIn) -> Response:
    """Add a public key of a manufacturer; packages signed with it can be uploaded from then on."""
    fingerprint, algorithm, pem = read_public_key(body.pem)

    async def create(key_id: str) -> Key:
        key = PublicKey(
            key_id=key_id,
            app_id=caller.app_id,
            manufacturer=body.manufacturer,
            fingerprint=fingerprint,
            algorithm=algorithm,
            pem=pem,
            status=KeyStatus.ACTIVE if body.active else KeyStatus.INACTIVE,
            created_at=services.now(),
        )
        return Key.of(await public_keys.add_key(services.products, services.public_keys, key))

    async def load(key_id: str) -> Key | None:
        key = await services.public_keys.find(caller.app_id, key_id)
        return Key.of(key) if key else None

    return await creation.answer(create, load)


@router.get("")
async def list_keys(caller: Reader, services: Wired, query: Annotated[KeyQuery, FromQuery()]) -> KeyPage:
    """List public keys."""
    page = await services.public_keys.page(caller.app_id, query.wanted(), query.limit, query.after)
    return KeyPage(items=[Key.of(item) for item in page.items], next=page.next)


@router.get("/{key_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_key(caller: Reader, services: Wired, key_id: str) -> Key:
    """Get a public key."""
    return Key.of(await services.public_keys.get(caller.app_id, key_id))


@router.post("/{key_id}/activate", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def activate_key(caller: KeyManager, services: Wired, key_id: str) -> Key:
    """Verify packages by a key from now on; 409 if it is revoked."""
    return Key.of(await public_keys.set_active(services.public_keys, caller.app_id, key_id, active=True))


@router.post("/{key_id}/deactivate", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def deactivate_key(caller: KeyManager, services: Wired, key_id: str) -> Key:
    """Verify no further packages by a key; those that it has verified stay usable."""
    return Key.of(await public_keys.set_active(services.public_keys, caller.app_id, key_id, active=False))


@router.post("/{key_id}/revoke", status_code=HTTPStatus.ACCEPTED, responses=responses(HTTPStatus.NOT_FOUND))
async def revoke_key(caller: KeyManager, services: Wired, key_id: str, body: KeyRevocation | None = None) -> Key:
    """Revoke a key, for ever, under every manufacturer that has it: its private half is in wrong hands.

    No new task can use a package that it has verified, at once. Within seconds those packages become REVOKED, gateways
    hand out no further byte of their images, and the tasks that use them stop: executions that have not ended end as
    FAILED with `key_revoked`. Repeating it is harmless.
    """
    why = body.reason if body else ""
    return Key.of(await public_keys.revoke_key(services.public_keys, caller.app_id, key_id, why, services.now()))


@router.delete(
    "/{key_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_key(caller: KeyManager, services: Wired, key_id: str) -> None:
    """Delete a public key that has verified no package.

    Answers 409 `key_in_use` while packages need it or one of its manufacturer is being verified, and `key_revoked` if
    it is revoked: it stays, so that it cannot be added again.
    """
    await public_keys.delete_key(services.public_keys, caller.app_id, key_id)
