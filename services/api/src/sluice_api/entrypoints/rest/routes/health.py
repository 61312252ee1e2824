"""Which answer tells whether this process can serve."""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter

from sluice_api.entrypoints.rest.dependencies import Wired
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.problems import Problem

router = APIRouter(tags=["health"])
_DEADLINE = 2.0
"""Seconds the database has to answer."""


@router.get("/healthz", responses=responses(HTTPStatus.SERVICE_UNAVAILABLE))
async def health(services: Wired) -> dict[str, str]:
    """Return whether the API can reach its database."""
    try:
        await asyncio.wait_for(services.ping(), _DEADLINE)
    except TimeoutError as error:
        detail = "The database does not answer."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "database_unavailable", detail) from error
    return {"status": "ok"}
