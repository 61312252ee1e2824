"""Logs and readiness, the same in every service.

Event names are constant strings, data goes into keywords, ids not objects; secrets are never logged.
"""

import logging
import sys

import structlog

from sluice_common.settings import CommonSettings


def configure_logging(service: str, settings: CommonSettings) -> None:
    """Set up structlog and the standard library's logging for a service."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.log_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, format="%(name)s %(message)s")


def announce_ready(settings: CommonSettings) -> None:
    """Tell the supervisor that the service serves now."""
    if settings.ready_file is not None:
        settings.ready_file.parent.mkdir(parents=True, exist_ok=True)
        settings.ready_file.touch()
    structlog.get_logger().info("service_ready")
