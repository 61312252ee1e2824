"""The HTTP application: routes, limits and problem documents around the services that `bootstrap` wires."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI

from sluice_api.bootstrap.http import open_services
from sluice_api.bootstrap.shared import DATABASE_ERROR
from sluice_api.entrypoints.rest import error_handlers
from sluice_api.entrypoints.rest.docs import docs_router
from sluice_api.entrypoints.rest.limits import BodyLimits
from sluice_api.entrypoints.rest.openapi import describe, responses
from sluice_api.entrypoints.rest.routes import (
    apps,
    commands,
    credentials,
    deliveries,
    devices,
    groups,
    health,
    packages,
    products,
    public_keys,
    subscriptions,
    tasks,
    tools,
)
from sluice_api.entrypoints.rest.timing import Timing
from sluice_api.entrypoints.rest.tracing import Tracing
from sluice_api.settings import ApiSettings
from sluice_common import __version__

_PREFIX = "/api/v1"
_DESCRIPTION = """\
Upgrades the firmware of fleets cell by cell. Get an access token at `/api/v1/oauth2/token`, then send it as
`Authorization: Bearer …`. Lists are paged by `limit` and `after`; errors are problem documents (RFC 9457); an
`Idempotency-Key` makes repeating a creation safe.
"""


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            describe(super().openapi())
        return super().openapi()


def create_http(settings: ApiSettings) -> FastAPI:
    """Return the HTTP application; it connects when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.settings, app.state.services = settings, services
            yield

    app = _Api(
        title="Sluice",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{_PREFIX}/openapi.json",
        redirect_slashes=False,
    )
    error_handlers.install(app, DATABASE_ERROR)
    app.add_middleware(
        BodyLimits,
        limit=settings.body_limit,
        streamed=[f"{_PREFIX}/packages", f"{_PREFIX}/devices/bulk"],
        idle_timeout=settings.body_idle_timeout,
    )
    app.add_middleware(Timing)
    app.add_middleware(Tracing)
    app.include_router(health.router)
    app.include_router(apps.key_set)
    app.include_router(docs_router(), prefix=_PREFIX)
    app.include_router(_routes())
    return app


def _routes() -> APIRouter:
    refused = responses(HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE)
    routes = APIRouter(prefix=_PREFIX, responses=refused)
    for router in (
        apps.access,
        apps.router,
        apps.networks,
        credentials.router,
        products.router,
        public_keys.router,
        packages.router,
        devices.router,
        groups.router,
        commands.router,
        tasks.router,
        tasks.executions,
        subscriptions.router,
        deliveries.router,
        tools.router,
    ):
        routes.include_router(router)
    return routes
