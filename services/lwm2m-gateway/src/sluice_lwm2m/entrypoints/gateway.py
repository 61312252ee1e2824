"""`python -m sluice_lwm2m.entrypoints.gateway`: runs one gateway until SIGTERM or SIGINT."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import structlog

from sluice_common.background import BackgroundTasks
from sluice_common.bus import lag_watched
from sluice_common.garbage import collect_seldom
from sluice_common.lifecycle import run_service
from sluice_common.mongo import connect
from sluice_common.observability import announce_ready
from sluice_common.operations.readiness import READINESS
from sluice_common.resources import started
from sluice_common.supervision import FAILURES, persist, repeat, supervised
from sluice_lwm2m import metrics
from sluice_lwm2m.application import activity, heir
from sluice_lwm2m.bootstrap import Gateway, build
from sluice_lwm2m.domain.counters import log_fields
from sluice_lwm2m.settings import GatewaySettings

_log = structlog.get_logger()
_EXPIRY_INTERVAL = 1.0


async def run(settings: GatewaySettings) -> None:
    """Serve until cancelled.

    Raises:
        OSError: The port is taken.
        KafkaError: Kafka is out of reach at the start.
        ExceptionGroup: With what only a new process can mend.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connect(settings))
        tasks = BackgroundTasks()
        gateway = build(settings, database, tasks)
        # Bound before anything slow: a taken port shows at once, and early datagrams wait in the socket's buffer
        bound = stack.enter_context(gateway.bind())
        await stack.enter_async_context(started(gateway.producer))
        await gateway.ordinal.claim()  # first: what is read next is complete only if nobody else writes it
        stack.push_async_callback(gateway.ordinal.leave)
        await stack.enter_async_context(tasks)
        await gateway.replication.restore()
        await gateway.revoked.read()
        await stack.enter_async_context(started(gateway.consumer))
        await gateway.ordinal.confirm()  # reading may have taken long
        await gateway.link.open(bound)
        stack.enter_context(lag_watched("lwm2m-gateway", gateway.positions))
        metrics.export(gateway)
        READINESS.require("CoAP", lambda: None if gateway.link.is_open else "the socket is closed")
        READINESS.require("commands", gateway.consumer.missing)
        stack.push_async_callback(gateway.endpoint.close)
        await _serve(gateway)


async def _serve(gateway: Gateway) -> None:
    settings = gateway.settings
    async with supervised() as work:
        work.vital(gateway.producer.watch())
        consuming = work.vital(_consume(gateway))
        work.repeat("claims_not_followed", gateway.ordinal.watch)
        work.repeat("orphans_not_answered", gateway.heir.look, pause=heir.INTERVAL)
        work.repeat("commands_not_committed", gateway.consumer.commit, pause=settings.lwm2m_commit_interval)
        work.repeat("registrations_not_followed", gateway.replication.follow)
        work.repeat("revocations_not_followed", gateway.revoked.follow)
        work.repeat("registrations_not_expired", gateway.lifecycle.expire, pause=_EXPIRY_INTERVAL)
        work.repeat("activity_not_published", gateway.activity.publish, pause=activity.INTERVAL)
        work.repeat("counters_not_logged", partial(_count, gateway), pause=settings.lwm2m_counters_interval)
        collect_seldom()
        announce_ready(gateway.settings)
        try:
            await asyncio.Event().wait()
        finally:
            consuming.cancel()
            if not work.has_failed:
                await gateway.departure.wait()
            READINESS.withdraw()
            _log.info("gateway_stopped", **log_fields(gateway.counters))


async def _consume(gateway: Gateway) -> None:
    await persist("backlog_not_read", gateway.consumer.take_backlog)
    await repeat("commands_not_read", gateway.consumer.take_next)


async def _count(gateway: Gateway) -> None:
    counted = log_fields(gateway.counters)
    _log.info("gateway_counters", devices=len(gateway.sessions), failures=dict(FAILURES), **counted)


def _main() -> None:
    settings = GatewaySettings()
    # Ready while it drains: a node's proxy forgets whose datagrams are whose once a pod does not serve, and downloads
    # would go on at a gateway that knows nothing of them.
    run_service("lwm2m-gateway", settings, lambda: run(settings), serves_while_ending=True)


if __name__ == "__main__":
    _main()
