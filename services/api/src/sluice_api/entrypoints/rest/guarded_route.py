"""Routes that know who calls before they read a body: whoever has no token costs nothing but the look at its header."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from sluice_api.entrypoints.rest.dependencies import GUARDS, identify
from sluice_api.entrypoints.rest.problems import Problem, hung_up

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route that FastAPI would parse the body for before it asks who calls."""

    def get_route_handler(self) -> Handler:
        """Return the handler behind the checks of those dependencies that need no body."""
        handle = super().get_route_handler()
        guards = [GUARDS[call] for call in _calls(self.dependant) if call in GUARDS]
        if not guards:
            return handle

        async def guarded(request: Request) -> Response:
            try:
                caller = await identify(request)
                for guard in guards:
                    guard(caller)
            except Problem as problem:
                raise (hung_up(problem) if _has_body(request) else problem) from None
            request.state.caller = caller
            return await handle(request)

        return guarded


def _calls(dependant: Dependant) -> Iterator[Any]:
    """Yield what a route depends on, with what that depends on."""
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from _calls(dependency)


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
