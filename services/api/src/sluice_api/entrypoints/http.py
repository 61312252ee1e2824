"""The HTTP API: `python -m sluice_api.entrypoints.http`."""

import socket

import uvicorn

from sluice_api.entrypoints.rest.application import create_http
from sluice_api.settings import ApiSettings
from sluice_common.lifecycle import run_service
from sluice_common.observability import announce_ready
from sluice_common.settings import CommonSettings

_GRACE = 10
"""Seconds that requests get to end after SIGTERM."""


class Server(uvicorn.Server):
    """Uvicorn that tells the supervisor when its socket is open."""

    def __init__(self, config: uvicorn.Config, settings: CommonSettings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the socket."""
        await super().startup(sockets)
        if not self.should_exit:
            announce_ready(self._settings)


def main() -> None:
    """Serve until SIGTERM."""
    settings = ApiSettings()
    config = uvicorn.Config(
        create_http(settings),
        host=settings.api_host,
        port=settings.api_port,
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    run_service("api", settings, Server(config, settings).serve)


if __name__ == "__main__":
    main()
