"""Creation at most once per `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel

from sluice_api.application.ports import Answer, IdempotencyKeys
from sluice_api.domain.errors import DomainError
from sluice_api.entrypoints.rest.dependencies import Caller, Wired, caller_of
from sluice_api.entrypoints.rest.problems import Problem
from sluice_common.ids import new_id

NO_STORE = {"Cache-Control": "no-store"}
"""Header of answers that show a secret (RFC 9111 §5.2.2.5)."""
_CREATED = int(HTTPStatus.CREATED)


class IdempotentCreation:
    """Creates at most once per `Idempotency-Key`; without one, as often as asked."""

    def __init__(self, idempotency: IdempotencyKeys, name: str | None, fingerprint: str, now: datetime) -> None:
        self._idempotency = idempotency
        self._name = name
        self._fingerprint = fingerprint
        self._now = now

    async def answer(
        self,
        create: Callable[[str], Awaitable[BaseModel]],
        load: Callable[[str], Awaitable[BaseModel | None]] | None = None,
        *,
        secret: bool = False,
    ) -> Response:
        """Create under a fresh id, or give the answer that was given before.

        Args:
            create: Creates under an id.
            load: Finds what an interrupted creation under an id has left; None to create again.
            secret: Whether the answer shows a secret.

        Raises:
            Problem: The key was used for another request.
            DomainError: The key is in use; or what `create` raises.
            NoSealingKeyError: The answer shows a secret and could not be kept.
        """
        if self._name is None:
            return _json(_CREATED, (await create(new_id())).model_dump_json().encode(), secret=secret)
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
        await self._idempotency.finish(reservation, Answer(self._fingerprint, _CREATED, body, secret))
        return _json(_CREATED, body, secret=secret)


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


async def _creation(
    request: Request, services: Wired, caller: Annotated[Caller, Depends(caller_of)], idempotency_key: Key = None
) -> IdempotentCreation:
    fingerprint = hashlib.sha256(await request.body()).hexdigest() if idempotency_key else ""
    return IdempotentCreation(
        services.idempotency, key_name(request, caller, idempotency_key), fingerprint, services.now()
    )


Creation = Annotated[IdempotentCreation, Depends(_creation)]
