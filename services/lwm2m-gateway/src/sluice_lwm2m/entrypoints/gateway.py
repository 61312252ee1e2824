"""`python -m sluice_lwm2m.entrypoints.gateway`: runs one gateway until SIGTERM or SIGINT."""

import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack, suppress

import structlog
import uvloop
from aiokafka.errors import KafkaError

from sluice_common.observability import announce_ready, configure_logging
from sluice_lwm2m.adapters.endpoint import bind
from sluice_lwm2m.bootstrap import Gateway, build
from sluice_lwm2m.domain.counters import log_fields
from sluice_lwm2m.settings import GatewaySettings

_log = structlog.get_logger()
_EXPIRY_INTERVAL = 1.0


class _StoppedError(Exception):
    """Ends the task group."""


async def run(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set.

    Raises:
        OSError: The port is taken.
        ExceptionGroup: Kafka could not be told of something for too long; the next start reads it again.
    """
    gateway = build(settings)
    async with AsyncExitStack() as stack:
        # Bound before anything slow: a taken port shows at once, and early datagrams wait in the socket's buffer
        endpoint = bind(settings.lwm2m_host, settings.lwm2m_port, settings.lwm2m_socket_buffer)
        stack.callback(endpoint.close)
        await gateway.producer.start()
        stack.push_async_callback(gateway.producer.stop)
        await _read_registrations(gateway)
        stack.push_async_callback(gateway.revoked.stop)
        await gateway.revoked.start()
        await gateway.consumer.start()
        stack.push_async_callback(gateway.consumer.stop)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: gateway.endpoint, sock=endpoint)
        stack.push_async_callback(gateway.endpoint.close)
        await _serve(gateway, stop)


async def _read_registrations(gateway: Gateway) -> None:
    started = time.monotonic()
    async for record in gateway.registrations.history():
        if (session := gateway.sessions.learn(record)) is not None:
            await gateway.registrations.save(session)
    _log.info("registrations_read", devices=len(gateway.sessions), seconds=round(time.monotonic() - started, 3))


async def _serve(gateway: Gateway, stop: asyncio.Event) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            gateway.commands.run_in(tasks)
            consuming = tasks.create_task(gateway.consumer.run())
            tasks.create_task(gateway.consumer.commit())
            tasks.create_task(_follow(gateway))
            tasks.create_task(gateway.revoked.run())
            tasks.create_task(_expire(gateway))
            tasks.create_task(_count(gateway))
            announce_ready(gateway.settings)
            await stop.wait()
            consuming.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(gateway.consumer.idle(), gateway.settings.lwm2m_shutdown_timeout)
            raise _StoppedError  # noqa: TRY301 - ends the group from inside, as its documentation shows
    except* _StoppedError:
        _log.info("gateway_stopped", **log_fields(gateway.counters))


async def _follow(gateway: Gateway) -> None:
    """Hear of devices that register elsewhere: the higher epoch owns a device."""
    async for record in gateway.registrations.follow():
        if record.gateway == gateway.settings.lwm2m_ordinal:
            continue
        if (session := gateway.sessions.learn(record)) is not None:
            await gateway.registrations.save(session)


async def _expire(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(_EXPIRY_INTERVAL)
        await gateway.interface.expire()


async def _count(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(gateway.settings.lwm2m_counters_interval)
        _log.info("gateway_counters", devices=len(gateway.sessions), **log_fields(gateway.counters))


async def _main() -> None:
    settings = GatewaySettings()
    configure_logging("lwm2m-gateway", settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await run(settings, stop)
    except OSError as error:
        _log.error("gateway_cannot_listen", host=settings.lwm2m_host, port=settings.lwm2m_port, reason=str(error))
        sys.exit(1)
    except KafkaError as error:
        _log.error("gateway_without_kafka", kafka=settings.kafka_bootstrap, reason=str(error))
        sys.exit(1)


if __name__ == "__main__":
    uvloop.run(_main())
