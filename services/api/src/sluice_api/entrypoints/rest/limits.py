"""Limits on request bodies, before anybody reads them: bytes, and seconds between two pieces."""

import asyncio
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sluice_api.entrypoints.rest.problems import Problem, too_large, too_slow


class BodyLimits:
    """ASGI middleware that answers 413 to a body over the limit and 408 to one that stops coming.

    Args:
        app: The application.
        limit: Bytes.
        streamed: Paths whose bodies may be larger; they have limits of their own.
        idle_timeout: Seconds between two pieces of a body.
    """

    def __init__(self, app: ASGIApp, limit: int, streamed: Collection[str], idle_timeout: float) -> None:
        self._app = app
        self._limit = limit
        self._streamed = frozenset(streamed)
        self._idle_timeout = idle_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        limit = None if scope["path"] in self._streamed else self._limit
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if limit is not None and length.isdigit() and int(length) > limit:
            return await too_large(limit).response()(scope, receive, send)
        body = _Body(receive, limit, self._idle_timeout)
        answered = False

        async def corrected_send(message: Message) -> None:
            # The application takes what `receive` raises for a body that cannot be parsed.
            nonlocal answered
            if body.problem is None:
                await send(message)
            elif not answered:
                answered = True
                await body.problem.response()(scope, receive, send)

        return await self._app(scope, body.receive, corrected_send)


class _Body:
    """The body of one request as it comes."""

    def __init__(self, receive: Receive, limit: int | None, idle_timeout: float) -> None:
        self._receive = receive
        self._limit = limit
        self._idle_timeout = idle_timeout
        self._size = 0
        self._complete = False
        self.problem: Problem | None = None

    async def receive(self) -> Message:
        """Return the next message of the server.

        Raises:
            Problem: The body is too large or has stopped coming.
        """
        if self._complete:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._idle_timeout)
        except TimeoutError as error:
            self.problem = too_slow(self._idle_timeout)
            raise self.problem from error
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._limit is not None and self._size > self._limit:
            self.problem = too_large(self._limit)
            raise self.problem
        return message
