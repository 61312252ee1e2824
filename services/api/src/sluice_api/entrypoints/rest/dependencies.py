"""What route functions are given: the wired services and the caller."""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.security import OAuth2

from sluice_api.application.services import Services
from sluice_api.domain.access import Scope
from sluice_api.domain.access_tokens import ADMIN, InvalidAccessTokenError
from sluice_api.domain.models import Principal
from sluice_api.domain.outbox import valid_traceparent
from sluice_api.entrypoints.rest.problems import Problem
from sluice_api.settings import ApiSettings

_ADMIN = Principal(client_id=ADMIN, app_id=ADMIN)
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
        client_id: The credential by which it calls.
        scopes: What that may do.
        traceparent: W3C Trace Context of the request.
    """

    app_id: str
    client_id: str
    scopes: frozenset[Scope]
    traceparent: str | None


_SCOPES: dict[str, str] = {
    Scope.READ: "Look at everything of the app.",
    Scope.OPERATE: "Products, devices, groups, device commands, tasks, subscriptions.",
    Scope.PUBLISH: "Packages.",
    Scope.KEYS: "Public keys.",
    Scope.OWN: "Credentials of the app.",
    ADMIN: "Apps; of the administrator alone.",
}
_bearer = OAuth2(
    flows=OAuthFlows(clientCredentials=OAuthFlowClientCredentials(tokenUrl=TOKEN_URL, scopes=_SCOPES)),
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
        client_id, issued_at = services.tokens.verified(token, services.now().timestamp())
    except InvalidAccessTokenError as error:
        raise unauthorized("The access token is not valid, or no longer.") from error
    principal = _ADMIN if client_id == ADMIN else await services.credentials.principal(client_id)
    if principal is None or issued_at < principal.since:
        raise unauthorized("The credential of this access token has been revoked or changed, or its app deleted.")
    traceparent = valid_traceparent(request.headers.get("traceparent"))
    return Caller(principal.app_id, client_id, principal.scopes, traceparent)


def require_scope(caller: Caller, scope: Scope) -> None:
    """Check that an app calls, by a credential with a scope.

    Raises:
        Problem: 403, it is the administrator, or the credential has not that scope (RFC 6750 §3.1).
    """
    if caller.app_id == ADMIN:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "The administrator owns nothing; use an app's credentials.")
    if scope not in caller.scopes:
        challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
        detail = f"This needs a credential with the scope `{scope}`."
        raise Problem(HTTPStatus.FORBIDDEN, "insufficient_scope", detail, headers=challenge)


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


def _requiring(scope: Scope) -> Callable[..., object]:
    """Return a dependency of routes that need a scope."""

    async def scoped(caller: Annotated[Caller, Security(caller_of, scopes=[scope])]) -> Caller:
        return caller

    GUARDS[scoped] = partial(require_scope, scope=scope)
    return scoped


async def _admin(caller: Annotated[Caller, Security(caller_of, scopes=[ADMIN])]) -> Caller:
    return caller


GUARDS: dict[Callable[..., object], Callable[[Caller], None]] = {caller_of: require_anybody, _admin: require_admin}
"""What a route that depends on one must see checked before its body is read; `GuardedRoute` does that."""
Reader = Annotated[Caller, Depends(_requiring(Scope.READ))]
Operator = Annotated[Caller, Depends(_requiring(Scope.OPERATE))]
Publisher = Annotated[Caller, Depends(_requiring(Scope.PUBLISH))]
KeyManager = Annotated[Caller, Depends(_requiring(Scope.KEYS))]
Owner = Annotated[Caller, Depends(_requiring(Scope.OWN))]
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
