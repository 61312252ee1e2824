"""HTTP servers (aiohttp) that end with their owner."""

import ssl
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from sluice_common.supervision import Backoff, repeat
from sluice_mqtt.settings import GatewaySettings

_log = structlog.get_logger()
_SHUTDOWN_TIMEOUT = 2.0
_IDLE_CONNECTION = 75.0
_BACKLOG = 1024


async def listen(
    stack: AsyncExitStack,
    application: web.Application,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    *,
    reuse_port: bool = False,
) -> None:
    """Serve an application until the stack is closed.

    Args:
        stack: Ends the server.
        application: What is served.
        host: Address to listen on.
        port: TCP port to listen on.
        tls: Certificate; None for plain HTTP.
        reuse_port: Whether replicas on this machine may listen there too.

    Raises:
        OSError: The port is taken.
    """
    runner = web.AppRunner(
        application, access_log=None, keepalive_timeout=_IDLE_CONNECTION, shutdown_timeout=_SHUTDOWN_TIMEOUT
    )
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=tls, backlog=_BACKLOG, reuse_port=reuse_port).start()


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


async def renew_certificate(context: ssl.SSLContext, settings: GatewaySettings, interval: float = 60.0) -> None:
    """Read the certificate again when its file has changed, until cancelled; connections that are there keep the old.

    One that cannot be read, or does not fit the key yet, is tried again.

    Args:
        context: Of `tls_context`.
        settings: Where it is.
        interval: Seconds between two looks at the files.
    """
    read = _changed_at(settings)

    async def look() -> None:
        nonlocal read
        if (now := _changed_at(settings)) != read:
            tls_context(settings)  # what cannot be read would leave the context in use without a key
            context.load_cert_chain(str(settings.download_tls_cert), settings.download_tls_key)
            read = now
            _log.info("certificate_renewed")

    await repeat("certificate_not_renewed", look, pause=interval, backoff=Backoff(interval, interval))


def _changed_at(settings: GatewaySettings) -> list[int]:
    files = [file for file in (settings.download_tls_cert, settings.download_tls_key) if file is not None]
    return [file.stat().st_mtime_ns if file.exists() else 0 for file in files]
