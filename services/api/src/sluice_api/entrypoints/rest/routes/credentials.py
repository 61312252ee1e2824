"""Credentials of an app, beside the one that it was made with."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as FromQuery

from sluice_api.domain import models
from sluice_api.domain.secrets import hash_random_secret, new_secret
from sluice_api.entrypoints.rest.dependencies import Owner, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.idempotency import Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.credentials import (
    Credential,
    CredentialIn,
    CredentialPage,
    CredentialQuery,
    NewCredential,
)

router = APIRouter(route_class=GuardedRoute, prefix="/credentials", tags=["credentials"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=NewCredential, responses=responses(HTTPStatus.CONFLICT))
async def create_credential(caller: Owner, services: Wired, creation: Creation, body: CredentialIn) -> Response:
    """Create a credential with some scopes; its secret is shown this once."""

    async def create(client_id: str) -> NewCredential:
        secret = new_secret()
        credential = models.Credential(
            client_id=client_id,
            app_id=caller.app_id,
            name=body.name,
            scopes=frozenset(body.scopes),
            secret_hash=hash_random_secret(secret),
            created_at=services.now(),
            created_by=caller.client_id,
        )
        await services.credentials.add(credential)
        return NewCredential(**Credential.of(credential).model_dump(), client_secret=secret)

    return await creation.answer(create, secret=True)


@router.get("")
async def list_credentials(
    caller: Owner, services: Wired, query: Annotated[CredentialQuery, FromQuery()]
) -> CredentialPage:
    """List credentials."""
    wanted = models.CredentialFilter(name=query.name)
    page = await services.other_credentials.page(caller.app_id, wanted, query.limit, query.after)
    return CredentialPage(items=[Credential.of(item) for item in page.items], next=page.next)


@router.get("/{client_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_credential(caller: Owner, services: Wired, client_id: str) -> Credential:
    """Get a credential."""
    return Credential.of(await services.other_credentials.get(caller.app_id, client_id))


@router.delete(
    "/{client_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def revoke_credential(caller: Owner, services: Wired, client_id: str) -> None:
    """Revoke a credential: its tokens are refused within a second."""
    await services.credentials.revoke(caller.app_id, client_id)
