"""Logs and readiness, the same in every service.

Event names are constant strings, data goes into keywords, ids not objects; secrets are never logged.
"""

import logging
import sys
import time
from collections.abc import Callable
from functools import partial

import structlog

from sluice_common.operations.readiness import READINESS
from sluice_common.settings import CommonSettings

_LINE_INTERVAL = 1.0


def configure_logging(service: str, settings: CommonSettings) -> None:
    """Set up structlog and the standard library's logging for a service: libraries' lines look like its own."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.log_json else structlog.dev.ConsoleRenderer()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    formatter = structlog.stdlib.ProcessorFormatter(
        # A thread that a library starts does not know whose process it is in.
        foreign_pre_chain=[structlog.stdlib.add_logger_name, partial(_add_service, service), *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler])


def _add_service(
    service: str, _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {"service": service, **event}


def announce_ready(settings: CommonSettings) -> None:
    """Tell supervisors and operators that the service serves now."""
    READINESS.announce()
    if settings.ready_file is not None:
        settings.ready_file.parent.mkdir(parents=True, exist_ok=True)
        settings.ready_file.touch()
    structlog.get_logger().info("service_ready")


class Rarely:
    """Keeps a log readable when thousands of devices cause the same line at once: one a second, with a count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock()
        self._count = 0

    def count(self) -> int:
        """Count one; return how many there were since the last line if it is time for the next, 0 otherwise."""
        self._count += 1
        now = self._clock()
        if now < self._next:
            return 0
        found, self._count, self._next = self._count, 0, now + _LINE_INTERVAL
        return found
