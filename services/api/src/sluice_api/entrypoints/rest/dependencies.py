"""What route functions are given: the wired parts, the caller, and creation at most once."""

import hashlib
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.responses import Response
from fastapi.security import OAuth2
from pydantic import BaseModel

from sluice_api.adapters.mongo.idempotency import Answer, Idempotency
from sluice_api.application.services import Parts
from sluice_api.domain.access_tokens import ADMIN, InvalidAccessTokenError
from sluice_api.domain.errors import DomainError
from sluice_api.domain.outbox import valid_traceparent
from sluice_api.entrypoints.rest.problems import Problem
from sluice_common.ids import new_id

TOKEN_URL = "/api/v1/oauth2/token"  # noqa: S105 - an address, no secret
NO_STORE = {"Cache-Control": "no-store"}
"""Header of answers that show a secret (RFC 9111 §5.2.2.5)."""
_CREATED = int(HTTPStatus.CREATED)


def parts_of(request: Request) -> Parts:
    """Return the parts of the application that serves a request."""
    parts: Parts = request.app.state.parts
    return parts


Wired = Annotated[Parts, Depends(parts_of)]


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


async def _caller(request: Request, parts: Wired, authorization: Annotated[str | None, Depends(_bearer)]) -> Caller:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("Send an access token: `Authorization: Bearer …`.")
    try:
        client_id = parts.tokens.client_of(token, parts.now().timestamp())
    except InvalidAccessTokenError as error:
        raise unauthorized("The access token is not valid, or no longer.") from error
    if client_id != ADMIN and not await parts.apps.exists(client_id):
        raise unauthorized("The app of this access token has been deleted.")
    return Caller(client_id, valid_traceparent(request.headers.get("traceparent")))


async def _app(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    if caller.app_id == ADMIN:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "The administrator owns nothing; use an app's credentials.")
    return caller


async def _admin(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    if caller.app_id != ADMIN:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "Only the administrator manages apps.")
    return caller


App = Annotated[Caller, Depends(_app)]
Admin = Annotated[Caller, Depends(_admin)]


class Once:
    """Creates at most once per `Idempotency-Key`; without one, as often as asked."""

    def __init__(self, idempotency: Idempotency, name: str | None, fingerprint: str, now: datetime) -> None:
        self._idempotency = idempotency
        self._name = name
        self._fingerprint = fingerprint
        self._now = now

    async def __call__(
        self,
        create: Callable[[str], Awaitable[BaseModel]],
        load: Callable[[str], Awaitable[BaseModel | None]] | None = None,
        status: int = _CREATED,
        *,
        secret: bool = False,
    ) -> Response:
        """Create under a fresh id, or give the answer that was given before.

        Args:
            create: Creates under an id.
            load: Finds what an interrupted creation under an id has left; None to create again.
            status: HTTP status of the answer.
            secret: Whether the answer shows a secret.

        Raises:
            Problem: The key was used for another request.
            DomainError: The key is in use; or what `create` raises.
            NoSealingKeyError: The answer shows a secret and could not be kept.
        """
        if self._name is None:
            return _json(status, (await create(new_id())).model_dump_json().encode(), secret=secret)
        if secret:
            self._idempotency.require_sealing()
        reservation = await self._idempotency.reserve(self._name, new_id(), self._now)
        if reservation.answer is not None:
            return replayed(reservation.answer, self._fingerprint)
        try:
            left = await load(reservation.resource_id) if reservation.resumed and load else None
            body = (left or await create(reservation.resource_id)).model_dump_json().encode()
        except DomainError:
            # Nothing was created. After any other failure something may have been: the reservation stays.
            await self._idempotency.release(reservation)
            raise
        await self._idempotency.finish(reservation, Answer(self._fingerprint, status, body, secret))
        return _json(status, body, secret=secret)


def key_reused() -> Problem:
    """Return 422: a key counts for one request."""
    detail = "The Idempotency-Key was used for another request."
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)


def replayed(answer: Answer, fingerprint: str) -> Response:
    """Return an earlier answer.

    Raises:
        Problem: 422, it was given to another request.
    """
    if answer.fingerprint != fingerprint:
        raise key_reused()
    return _json(answer.status, answer.body, secret=answer.secret)


def _json(status: int, body: bytes, *, secret: bool = False) -> Response:
    return Response(body, status, headers=dict(NO_STORE) if secret else None, media_type="application/json")


Key = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, description="Makes a repetition safe.")
]


def key_name(request: Request, caller: Caller, key: str | None) -> str | None:
    """Return the name under which a key is kept: it counts for one app and operation."""
    return None if key is None else f"{caller.app_id} {request.method} {request.url.path} {key}"


async def _once(
    request: Request, parts: Wired, caller: Annotated[Caller, Depends(_caller)], idempotency_key: Key = None
) -> Once:
    fingerprint = hashlib.sha256(await request.body()).hexdigest() if idempotency_key else ""
    return Once(parts.idempotency, key_name(request, caller, idempotency_key), fingerprint, parts.now())


Creation = Annotated[Once, Depends(_once)]


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
