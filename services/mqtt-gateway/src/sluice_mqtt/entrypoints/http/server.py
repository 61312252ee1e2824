"""HTTP servers (aiohttp) that end with their owner."""

import ssl
from contextlib import AsyncExitStack

from aiohttp import web

from sluice_mqtt.settings import GatewaySettings

_SHUTDOWN_TIMEOUT = 2.0
_IDLE_CONNECTION = 75.0
_BACKLOG = 1024


async def listen(
    stack: AsyncExitStack, application: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
) -> None:
    """Serve an application until the stack is closed.

    Raises:
        OSError: The port is taken.
    """
    runner = web.AppRunner(
        application, access_log=None, keepalive_timeout=_IDLE_CONNECTION, shutdown_timeout=_SHUTDOWN_TIMEOUT
    )
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=tls, backlog=_BACKLOG).start()


def tls_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """Return the certificate of downloads; None if they are plain HTTP.

    Raises:
        OSError: It cannot be read.
    """
    if settings.download_tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.download_tls_cert, settings.download_tls_key)
    return context
