"""`python -m sluice_mqtt.entrypoints.gateway`: runs one gateway until SIGTERM or SIGINT.

It is ready when it answers the broker's hooks: the broker may be started after it. Downloads are asked to come back
until it has read which attempts may download.
"""

import ssl
import time
from contextlib import AsyncExitStack

import structlog

from sluice_common.background import BackgroundTasks
from sluice_common.garbage import collect_seldom
from sluice_common.lifecycle import run_service
from sluice_common.mongo import connect
from sluice_common.observability import announce_ready
from sluice_common.operations.readiness import READINESS
from sluice_common.resources import started
from sluice_common.supervision import FAILURES, Supervisor, persist, repeat, supervised
from sluice_mqtt import metrics
from sluice_mqtt.bootstrap import Gateway, build
from sluice_mqtt.domain.counters import log_fields
from sluice_mqtt.entrypoints.http.broker_hooks import BrokerHooks
from sluice_mqtt.entrypoints.http.downloads import DownloadServer
from sluice_mqtt.entrypoints.http.server import listen, renew_certificate, tls_context
from sluice_mqtt.settings import GatewaySettings

_log = structlog.get_logger()
_PRUNE_INTERVAL = 60.0


async def run(settings: GatewaySettings) -> None:
    """Serve until cancelled: then let downloads end that are under way, as long as it is known which may go on.

    Raises:
        OSError: A port is taken, or a certificate cannot be read.
        ValueError: A key or a secret is missing or too short.
        KafkaError: Kafka cannot be reached at the start.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connect(settings))
        gateway = build(settings, database, await stack.enter_async_context(BackgroundTasks()))
        await stack.enter_async_context(started(gateway.producer))
        tls = tls_context(settings)
        downloads = await _listen(stack, gateway, tls)
        metrics.export(gateway, downloads)
        # Not the broker: it has to ask a gateway that is ready before it lets one connect.
        READINESS.require("downloads", gateway.open_downloads.missing)
        announce_ready(settings)
        try:
            async with supervised() as followers:
                _follow(gateway, followers)
                if tls is not None:
                    followers.vital(renew_certificate(tls, settings))
                await _work(gateway, downloads)
        finally:
            _log.info("gateway_stopped", **log_fields(gateway.counters))


async def _listen(stack: AsyncExitStack, gateway: Gateway, tls: ssl.SSLContext | None) -> DownloadServer:
    settings, counters = gateway.settings, gateway.counters
    downloads = DownloadServer(
        gateway.download_access, gateway.transfers, max_downloads=settings.download_max, counters=counters
    )
    shared = settings.reuse_port
    where = settings.download_host, settings.download_port
    await listen(stack, downloads.application(), *where, tls, reuse_port=shared)
    hooks = BrokerHooks(gateway.access, gateway.broker_presence, secret=gateway.hook_secret, counters=counters)
    application = hooks.application(settings.mqtt_hook_max_body)
    await listen(stack, application, settings.mqtt_hook_host, settings.mqtt_hook_port, reuse_port=shared)
    return downloads


def _follow(gateway: Gateway, work: Supervisor) -> None:
    """Know which attempts may download, until the last download has ended."""
    work.passing(_learn_permissions(gateway, work))
    work.repeat("permissions_not_pruned", lambda: _prune(gateway), pause=_PRUNE_INTERVAL)


async def _prune(gateway: Gateway) -> None:
    gateway.open_downloads.prune(time.time())


async def _learn_permissions(gateway: Gateway, work: Supervisor) -> None:
    """Read which attempts may download and which images are revoked, then follow both; log-ins do not wait for it."""
    begun = time.monotonic()
    await persist("revocations_not_read", gateway.revoked.read)
    await persist("permissions_not_read", lambda: gateway.commands.read(gateway.take))
    gateway.open_downloads.prune(time.time())
    gateway.open_downloads.has_read.set()
    _log.info("permissions_read", executions=len(gateway.permissions), seconds=round(time.monotonic() - begun, 3))
    collect_seldom()
    work.repeat("permissions_not_read", lambda: gateway.commands.follow(gateway.take))
    work.repeat("revocations_not_read", gateway.revoked.follow)


async def _work(gateway: Gateway, downloads: DownloadServer) -> None:
    async def log_counters() -> None:
        gauges = {
            "devices": len(gateway.presence),
            "downloading": downloads.active,
            "broker_connections": gateway.broker.connections,
        }
        _log.info("gateway_counters", failures=dict(FAILURES), **gauges, **log_fields(gateway.counters))

    try:
        async with supervised() as work:
            work.vital(gateway.producer.watch())
            work.vital(gateway.broker.run())
            work.vital(_consume(gateway))
            work.repeat("counters_not_logged", log_counters, pause=gateway.settings.mqtt_counters_interval)
    finally:
        await downloads.drain(gateway.settings.download_drain)


async def _consume(gateway: Gateway) -> None:
    """Publish commands; joining the group may take as long as Kafka misses a process that was killed."""
    await gateway.open_downloads.has_read.wait()  # an offer whose attempt was closed since is not to be sent
    async with started(gateway.consumer):
        # After an error nothing of the batch is committed, or all of it was published: it may be read again.
        await repeat("commands_not_read", gateway.consumer.run)


def _main() -> None:
    settings = GatewaySettings()
    run_service("mqtt-gateway", settings, lambda: run(settings))


if __name__ == "__main__":
    _main()
