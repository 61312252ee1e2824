"""The HTTP API: `python -m sluice_api.entrypoints.http`."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from sluice_api.entrypoints.bounded_http import EdgeLimits, bounded
from sluice_api.entrypoints.rest.application import create_http
from sluice_api.settings import ApiSettings
from sluice_common.lifecycle import run_service
from sluice_common.mongo import why_mongodb_is_unreachable
from sluice_common.observability import announce_ready
from sluice_common.resources import uninterrupted
from sluice_common.settings import CommonSettings

_GRACE = 10
"""Seconds that requests get to end after SIGTERM."""


class NotStartedError(RuntimeError):
    """The server has ended before it served; uvicorn has logged why."""


class Server(uvicorn.Server):
    """Uvicorn that tells the supervisor when its socket is open, and leaves signals to `run_service`."""

    def __init__(self, config: uvicorn.Config, settings: CommonSettings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the socket.

        Raises:
            NotStartedError: The application cannot start, or the socket is taken.
        """
        try:
            await super().startup(sockets)
        except SystemExit as error:
            raise NotStartedError from error
        if not self.should_exit:
            announce_ready(self._settings)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: being cancelled is what ends `serve_until_cancelled`."""
        yield

    async def serve_until_cancelled(self) -> None:
        """Serve; when cancelled, let the requests under way end.

        Raises:
            NotStartedError: As of `startup`.
            OSError: Somebody has the port that replicas shall share.
        """
        sockets = [shared_socket(self.config.host, self.config.port)] if self._settings.reuse_port else None
        serving = asyncio.ensure_future(self.serve(sockets))  # unsupervised: awaited at once
        try:
            await asyncio.shield(serving)
        finally:
            self.should_exit = True
            await uninterrupted(serving)


def shared_socket(host: str, port: int) -> socket.socket:
    """Return a socket at a port at which replicas on this machine may listen too; it does not listen yet.

    One that listened before its server serves would be given connections that nobody answers.

    Raises:
        OSError: Somebody has the port for himself.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = ApiSettings()
    config = uvicorn.Config(
        create_http(settings),
        host=settings.api_host,
        port=settings.api_port,
        http=bounded(
            EdgeLimits(
                headers=settings.api_max_headers,
                head=settings.api_max_head,
                head_seconds=settings.api_head_timeout,
                connections=settings.api_max_connections_of_address,
            )
        ),
        limit_concurrency=settings.api_max_connections,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    run_service("api", settings, Server(config, settings).serve_until_cancelled, after=(why_mongodb_is_unreachable,))


if __name__ == "__main__":
    main()
