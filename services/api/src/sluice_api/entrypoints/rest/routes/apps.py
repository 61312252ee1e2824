"""Access tokens and apps."""

import secrets
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Header, Response
from fastapi import Query as FromQuery
from pydantic import SecretStr

from sluice_api.application.services import Services
from sluice_api.domain.access_tokens import ADMIN
from sluice_api.domain.errors import ConflictError
from sluice_api.domain.secrets import new_secret
from sluice_api.entrypoints.rest.dependencies import Admin, Reader, Settings, Wired, basic_credentials
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.idempotency import NO_STORE, Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.problems import Problem
from sluice_api.entrypoints.rest.schemas.apps import (
    App,
    AppChange,
    AppIn,
    AppPage,
    AppQuery,
    EndpointPrefixes,
    Networks,
    NewApp,
    Token,
)
from sluice_api.settings import ApiSettings

access = APIRouter(route_class=GuardedRoute, tags=["access"])
key_set = APIRouter(route_class=GuardedRoute, tags=["access"])
router = APIRouter(route_class=GuardedRoute, prefix="/apps", tags=["apps"])
networks = APIRouter(route_class=GuardedRoute, tags=["products"])
_LONGEST_SECRET = 1024


@access.post(
    "/oauth2/token",
    responses=responses(HTTPStatus.BAD_REQUEST),
    openapi_extra={
        "requestBody": {
            "content": {"application/x-www-form-urlencoded": {"example": {"grant_type": "client_credentials"}}}
        }
    },
)
async def issue_token(  # noqa: PLR0917 - form fields are parameters to FastAPI
    services: Wired,
    settings: Settings,
    response: Response,
    grant_type: Annotated[str, Form(max_length=64)] = "",
    client_id: Annotated[str | None, Form(max_length=64)] = None,
    client_secret: Annotated[str | None, Form(max_length=_LONGEST_SECRET)] = None,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Token:
    """Get an access token by client credentials (RFC 6749 §4.4), as form fields or as HTTP Basic."""
    if grant_type != "client_credentials":
        code = "unsupported_grant_type"
        raise Problem(HTTPStatus.BAD_REQUEST, code, "grant_type must be client_credentials.", oauth_error=code)
    name, secret = basic_credentials(authorization) or (client_id or "", client_secret or "")
    if not await _are_credentials(services, settings.admin_password, name, secret):
        code = "invalid_client"
        challenge = {"WWW-Authenticate": "Basic"}
        detail = "Client id or secret is wrong."
        raise Problem(HTTPStatus.UNAUTHORIZED, code, detail, headers=challenge, oauth_error=code)
    response.headers["Cache-Control"] = "no-store"
    token = services.tokens.issue(name, services.now().timestamp())
    return Token(access_token=token, expires_in=services.tokens.lifetime)


@key_set.get("/.well-known/jwks.json")
async def public_keys_of_access_tokens(services: Wired) -> dict[str, Any]:
    """Get the keys that check access tokens, as a JWK Set (RFC 7517 §5)."""
    return services.tokens.jwks


async def _are_credentials(services: Services, admin_password: SecretStr, name: str, secret: str) -> bool:
    if name != ADMIN:
        return await services.credentials.are_valid(name, secret)
    password = admin_password.get_secret_value()
    return bool(password) and secrets.compare_digest(secret.encode(), password.encode())


@router.post("", status_code=HTTPStatus.CREATED, response_model=NewApp, responses=responses(HTTPStatus.CONFLICT))
async def create_app(_: Admin, services: Wired, creation: Creation, body: AppIn) -> Response:
    """Create an app; its secret is shown this once."""

    async def create(app_id: str) -> NewApp:
        secret = new_secret()
        app = await services.credentials.create(app_id, body.name, secret, services.now())
        return NewApp(**App.of(app).model_dump(), client_secret=secret)

    return await creation.answer(create, secret=True)


@router.get("")
async def list_apps(_: Admin, services: Wired, query: Annotated[AppQuery, FromQuery()]) -> AppPage:
    """List apps."""
    page = await services.apps.page(query.name, query.limit, query.after)
    return AppPage(items=[App.of(app) for app in page.items], next=page.next)


@router.get("/{app_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_app(_: Admin, services: Wired, app_id: str) -> App:
    """Get an app."""
    return App.of(await services.apps.get(app_id))


@networks.get("/networks")
async def get_networks(caller: Reader, services: Wired) -> Networks:
    """Get the radio networks that products may name; the administrator keeps the list."""
    return Networks(networks=list((await services.apps.get(caller.app_id)).networks))


@router.patch("/{app_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def change_app(_: Admin, services: Wired, app_id: str, body: AppChange) -> App:
    """Rename an app, or say which networks its products may name."""
    return App.of(await services.apps.change(app_id, body.change()))


@router.get("/{app_id}/endpoint-prefixes", responses=responses(HTTPStatus.NOT_FOUND))
async def get_endpoint_prefixes(_: Admin, services: Wired, app_id: str) -> EndpointPrefixes:
    """Get which endpoint client names are bound to an app."""
    await services.apps.get(app_id)
    return EndpointPrefixes(prefixes=list(await services.apps.endpoint_prefixes(app_id)))


@router.put("/{app_id}/endpoint-prefixes", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def bind_endpoint_names(_: Admin, services: Wired, app_id: str, body: EndpointPrefixes) -> EndpointPrefixes:
    """Bind endpoint client names to an app: who registers by them on plain CoAP is its device.

    Gateways know it within a minute. A device that is registered stays so until it registers anew, at most for an hour.
    """
    await services.apps.get(app_id)
    await services.apps.bind(app_id, body.prefixes)
    return EndpointPrefixes(prefixes=list(await services.apps.endpoint_prefixes(app_id)))


@router.post("/{app_id}/secret", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def renew_app_secret(_: Admin, services: Wired, settings: Settings, response: Response, app_id: str) -> NewApp:
    """Give the first credential of an app another secret, for one that is lost; it is shown this once."""
    _require_not_first(settings, app_id)
    secret = new_secret()
    await services.credentials.renew_app_secret(app_id, secret, services.now())
    response.headers.update(NO_STORE)
    return NewApp(**App.of(await services.apps.get(app_id)).model_dump(), client_secret=secret)


@router.delete(
    "/{app_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_app(_: Admin, services: Wired, settings: Settings, app_id: str) -> None:
    """Delete an app that owns nothing any more."""
    _require_not_first(settings, app_id)
    await services.credentials.delete_app(app_id)


def _require_not_first(settings: ApiSettings, app_id: str) -> None:
    if app_id == settings.bootstrap_app_id:
        raise ConflictError("bootstrap_app", "The first app and its secret come from the settings and would come back.")
