"""`python -m sluice_mqtt.entrypoints.gateway`: runs one gateway until SIGTERM or SIGINT.

It is ready when it answers the broker's hooks and serves downloads: the broker may be started after it.
"""

import asyncio
import gc
import ssl
import time
from contextlib import AsyncExitStack

import structlog
from aiohttp import web
from aiokafka.errors import KafkaError

from sluice_common.lifecycle import run_service
from sluice_common.observability import announce_ready
from sluice_mqtt.bootstrap import Gateway, build
from sluice_mqtt.domain.counters import Counted, log_fields
from sluice_mqtt.settings import GatewaySettings

_log = structlog.get_logger()
_KAFKA_DELAY = 1.0
_WATCH_INTERVAL = 5.0
_PRUNE_INTERVAL = 60.0
_SHUTDOWN_TIMEOUT = 2.0
_COLLECT_AFTER = 20_000
"""New objects after which the collector looks; Python's 700 cost a fifth of all CPU under load."""
_IDLE_CONNECTION = 75.0


class StalledError(RuntimeError):
    """Kafka or MongoDB did not take a message for too long: begin anew, the broker sends it again."""


async def run(settings: GatewaySettings) -> None:
    """Serve until cancelled.

    Raises:
        OSError: A port is taken, or a certificate cannot be read.
        ValueError: A key or a secret is missing or too short.
        KafkaError: Kafka cannot be reached at the start.
        ExceptionGroup: With a `StalledError`.
    """
    gateway = build(settings)
    async with AsyncExitStack() as stack:
        await gateway.producer.start()
        stack.push_async_callback(gateway.producer.stop)
        await gateway.log.start()
        stack.push_async_callback(gateway.log.stop)
        stack.push_async_callback(gateway.revoked.stop)
        await gateway.revoked.start()
        await _read_rights(gateway)
        hooks = gateway.hooks.application(settings.mqtt_hook_max_body)
        await _listen(stack, hooks, settings.mqtt_hook_host, settings.mqtt_hook_port)
        downloads = gateway.downloads.application()
        await _listen(stack, downloads, settings.download_host, settings.download_port, _tls(settings))
        try:
            await _serve(gateway)
        finally:
            _log.info("gateway_stopped", **log_fields(gateway.counters))


async def _read_rights(gateway: Gateway) -> None:
    started = time.monotonic()
    async for command in gateway.log.history():
        gateway.rights.take(command)
    gateway.rights.prune(time.time())
    _log.info("rights_read", executions=len(gateway.rights), seconds=round(time.monotonic() - started, 3))


async def _listen(
    stack: AsyncExitStack, application: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
) -> None:
    runner = web.AppRunner(
        application, access_log=None, keepalive_timeout=_IDLE_CONNECTION, shutdown_timeout=_SHUTDOWN_TIMEOUT
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port, ssl_context=tls, backlog=1024).start()


def _tls(settings: GatewaySettings) -> ssl.SSLContext | None:
    if settings.download_tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.download_tls_cert, settings.download_tls_key)
    return context


async def _serve(gateway: Gateway) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.broker.run())
        tasks.create_task(_consume(gateway))
        tasks.create_task(_follow(gateway))
        tasks.create_task(_follow_revocations(gateway))
        tasks.create_task(_watch(gateway))
        tasks.create_task(_prune(gateway))
        tasks.create_task(_count(gateway))
        _spare_the_collector()
        announce_ready(gateway.settings)


def _spare_the_collector() -> None:
    """Let the garbage collector look at what is new, seldom: messages leave no cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


async def _consume(gateway: Gateway) -> None:
    """Publish commands; joining the group may take as long as Kafka misses a process that was killed."""
    try:
        await gateway.consumer.start()
        while True:
            try:
                await gateway.consumer.run()
            except KafkaError as error:  # nothing of a batch was committed, or all of it was published: go on
                _log.warning("commands_not_read", reason=repr(error))
                await asyncio.sleep(_KAFKA_DELAY)
    finally:
        await gateway.consumer.stop()


async def _follow(gateway: Gateway) -> None:
    while True:
        try:
            async for command in gateway.log.follow():
                gateway.rights.take(command)
        except KafkaError as error:
            _log.warning("rights_not_read", reason=repr(error))
            await asyncio.sleep(_KAFKA_DELAY)


async def _follow_revocations(gateway: Gateway) -> None:
    while True:
        try:
            await gateway.revoked.run()
        except KafkaError as error:
            _log.warning("revocations_not_read", reason=repr(error))
            await asyncio.sleep(_KAFKA_DELAY)


async def _watch(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(_WATCH_INTERVAL)
        if (waited := gateway.waits.oldest()) > gateway.settings.mqtt_stall_timeout:
            raise StalledError(f"a message has waited for Kafka or MongoDB for {waited:.0f} s")


async def _prune(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(_PRUNE_INTERVAL)
        gateway.rights.prune(time.time())


async def _count(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(gateway.settings.mqtt_counters_interval)
        gateway.counters[Counted.BROKER_CONNECTIONS] = gateway.broker.connections
        _log.info(
            "gateway_counters",
            devices=len(gateway.presence),
            downloading=gateway.downloads.active,
            **log_fields(gateway.counters),
        )


def _main() -> None:
    settings = GatewaySettings()
    run_service("mqtt-gateway", settings, lambda: run(settings))


if __name__ == "__main__":
    _main()
