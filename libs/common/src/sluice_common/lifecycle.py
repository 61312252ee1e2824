"""How every service process begins and ends.

It waits for the parts without which it cannot begin, and is not ready meanwhile. SIGTERM and SIGINT cancel the
service's one coroutine, which closes what it opened and ends the process with 0. An error that reaches the top is
logged and ends it with 1, so that the supervisor starts it again. A process that cannot close what it opened ends with
1 after `shutdown_grace`: what is not committed is read again by its successor. One whose place another process has
taken ends with `FENCED_STATUS`, and at once.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, NoReturn

import structlog
import uvloop

from sluice_common import __version__
from sluice_common.bus.admin import why_kafka_is_unreachable
from sluice_common.observability import configure_logging
from sluice_common.operations import process
from sluice_common.operations.readiness import READINESS
from sluice_common.operations.server import operations
from sluice_common.settings import CommonSettings
from sluice_common.tracing import configure_tracing

FENCED_STATUS = 3
"""Exit status of a process that another one has fenced."""


Service = Callable[[], Coroutine[Any, Any, None]]
WhyUnreachable = Callable[[CommonSettings], Awaitable[str | None]]
"""Returns why a part does not answer, None if it does."""
_RETRY = 1.0


def run_service(
    name: str,
    settings: CommonSettings,
    service: Service,
    *,
    after: Sequence[WhyUnreachable] = (why_kafka_is_unreachable,),
    serves_while_ending: bool = False,
) -> None:
    """Run a service until it is signalled; does not return.

    Args:
        name: Bound to every log line.
        settings: Log level and format.
        service: The coroutine function that starts, serves until cancelled, and closes.
        after: Parts that must answer before it is begun. A process that ended because one is away would be started
            again later and later, and come minutes after the part has come.
        serves_while_ending: Whether it stays ready when it is told to end, and says itself when it is so no more
            (`READINESS.withdraw`).
    """
    configure_logging(name, settings)
    configure_tracing(name)
    structlog.get_logger().info("service_starting", version=__version__)
    try:
        begun = partial(_begin, settings, after, service)
        uvloop.run(_seen_by_operators(settings, begun, serves_while_ending=serves_while_ending))
    except Exception:  # noqa: BLE001 - the last line of defence: log, then let the supervisor decide
        structlog.get_logger().exception("service_failed")
        sys.exit(1)
    sys.exit(0)


async def _begin(settings: CommonSettings, after: Sequence[WhyUnreachable], service: Service) -> None:
    reported = False
    while reasons := [reason for ask in after if (reason := await ask(settings)) is not None]:
        if not reported:
            structlog.get_logger().warning("parts_not_reached", reasons=reasons)
        reported = True
        await asyncio.sleep(_RETRY)
    await service()


async def _seen_by_operators(settings: CommonSettings, service: Service, *, serves_while_ending: bool) -> None:
    process.export(settings)
    async with operations(settings):
        await _until_signalled(service, settings.shutdown_grace, serves_while_ending=serves_while_ending)


async def _until_signalled(service: Service, grace: float, *, serves_while_ending: bool) -> None:
    task = asyncio.ensure_future(service())  # unsupervised: the service itself, awaited below
    signalled = False

    def stop() -> None:
        nonlocal signalled
        if signalled:  # whoever asks twice must not cut short what is being ended in good order
            return
        signalled = True
        if not serves_while_ending:
            READINESS.withdraw()
        task.cancel()
        end_within(grace)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not signalled:
            raise
    finally:
        end_within(grace)  # tasks that the service has left behind may not end


def end_within(seconds: float) -> None:
    """End this process with 1 after so many seconds, whatever it does by then, and tell what has not ended."""
    tell_and_end = partial(copy_context().run, _end_unfinished, asyncio.get_running_loop())
    # Whoever cannot even tell ends all the same.
    for delay, end in ((seconds, tell_and_end), (seconds + 1, partial(os._exit, 1))):
        timer = threading.Timer(delay, end)
        timer.daemon = True
        timer.start()


def _end_unfinished(loop: asyncio.AbstractEventLoop) -> NoReturn:
    unfinished = sorted(getattr(task.get_coro(), "__qualname__", repr(task)) for task in asyncio.all_tasks(loop))
    structlog.get_logger().error("not_ended_in_time", tasks=unfinished)
    sys.stderr.flush()
    os._exit(1)


def end_fenced() -> NoReturn:
    """End this process at once, as if it were killed: another one has its place.

    Whatever it would send or store on its way out may be older than what the other one has done.
    """
    sys.stderr.flush()
    os._exit(FENCED_STATUS)
