"""The span of a request, and its context in the place of the caller's for all that follows."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sluice_api.domain.outbox import valid_traceparent
from sluice_common.tracing import called, is_configured

_HEADER = b"traceparent"


class Tracing:
    """ASGI middleware that begins a trace with each request, or goes on with the caller's.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or not is_configured():
            return await self._app(scope, receive, send)
        with called(_traceparent(scope)) as call:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    call.attributes["http.response.status_code"] = message["status"]
                await send(message)

            try:
                return await self._app(_with_context(scope, call.traceparent), receive, noting)
            finally:
                call.name = f"{scope['method']} {getattr(scope.get('route'), 'path', 'none')}"


def _traceparent(scope: Scope) -> str | None:
    header = dict(scope["headers"]).get(_HEADER)
    return valid_traceparent(None if header is None else header.decode("latin-1"))


def _with_context(scope: Scope, traceparent: str | None) -> Scope:
    """Return a scope with the context of its own span, in place: routing leaves the route there."""
    headers = [(name, value) for name, value in scope["headers"] if name != _HEADER]
    own = [] if traceparent is None else [(_HEADER, traceparent.encode())]
    scope["headers"] = [*headers, *own]
    return scope
