"""What route functions are given: the wired services and the caller."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.security import OAuth2

from sluice_api.application.services import Services
from sluice_api.domain.access_tokens import ADMIN, InvalidAccessTokenError
from sluice_api.domain.outbox import valid_traceparent
from sluice_api.entrypoints.rest.problems import Problem
from sluice_api.settings import ApiSettings

TOKEN_URL = "/api/v1/oauth2/token"  # noqa: S105 - an address, no secret


def services_of(request: Request) -> Services:
    """Return the services of the application that serves a request."""
    services: Services = request.app.state.services
    return services


def settings_of(request: Request) -> ApiSettings:
    """Return the settings of the application that serves a request."""
    settings: ApiSettings = request.app.state.settings
    return settings


Wired = Annotated[Services, Depends(services_of)]
Settings = Annotated[ApiSettings, Depends(settings_of)]


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Attributes:
        app_id: The app, or `ADMIN`.
        traceparent: W3C Trace Context of the request.
    """

    app_id: str
    traceparent: str | None


_bearer = OAuth2(
    flows=OAuthFlows(clientCredentials=OAuthFlowClientCredentials(tokenUrl=TOKEN_URL)),
    scheme_name="client_credentials",
    description="Client id and secret of an app; `admin` and its password for apps themselves.",
    auto_error=False,
)


def unauthorized(detail: str) -> Problem:
    """Return 401 with its challenge (RFC 6750 §3)."""
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


async def identify(request: Request) -> Caller:
    """Return who calls, by the header alone.

    Raises:
        Problem: 401, there is no valid access token, or its app has been deleted.
    """
    services = services_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("Send an access token: `Authorization: Bearer …`.")
    try:
        client_id = services.tokens.client_of(token, services.now().timestamp())
    except InvalidAccessTokenError as error:
        raise unauthorized("The access token is not valid, or no longer.") from error
    if client_id != ADMIN and not await services.credentials.app_exists(client_id):
        raise unauthorized("The app of this access token has been deleted.")
    return Caller(client_id, valid_traceparent(request.headers.get("traceparent")))


def require_app(caller: Caller) -> None:
    """Check that an app calls.

    Raises:
        Problem: 403, it is the administrator.
    """
    if caller.app_id == ADMIN:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "The administrator owns nothing; use an app's credentials.")


def require_admin(caller: Caller) -> None:
    """Check that the administrator calls.

    Raises:
        Problem: 403, it is an app.
    """
    if caller.app_id != ADMIN:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "Only the administrator manages apps.")


def require_anybody(_: Caller) -> None:
    """Check nothing more than that somebody calls."""


async def caller_of(request: Request, _: Annotated[str | None, Depends(_bearer)]) -> Caller:
    """Return who calls, as `GuardedRoute` has found."""
    caller: Caller = request.state.caller
    return caller


async def _app(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
    return caller


async def _admin(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
    return caller


GUARDS: Mapping[Callable[..., object], Callable[[Caller], None]] = {
    caller_of: require_anybody,
    _app: require_app,
    _admin: require_admin,
}
"""What a route that depends on one must see checked before its body is read; `GuardedRoute` does that."""
App = Annotated[Caller, Depends(_app)]
Admin = Annotated[Caller, Depends(_admin)]


def basic_credentials(authorization: str | None) -> tuple[str, str] | None:
    """Return client id and secret of HTTP Basic (RFC 7617), None if there are none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, separator, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if separator else None
