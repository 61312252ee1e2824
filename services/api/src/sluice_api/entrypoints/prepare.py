"""What an installation does first: `python -m sluice_api.entrypoints.prepare topics|indexes`.

Makes the topics or the database's indexes that are missing; what is there stays as it is, so that it may be repeated.
It ends with 1 where it cannot: whoever runs it tries again.
"""

import argparse
import asyncio
import sys

import structlog

from sluice_api.bootstrap.prepare import prepare_indexes, prepare_topics
from sluice_common.observability import configure_logging
from sluice_common.settings import CommonSettings

_STEPS = {"topics": prepare_topics, "indexes": prepare_indexes}


def main() -> None:
    """Prepare one thing."""
    parser = argparse.ArgumentParser(
        prog="python -m sluice_api.entrypoints.prepare", description="Make what is missing."
    )
    parser.add_argument("step", choices=tuple(_STEPS))
    step = parser.parse_args().step
    settings = CommonSettings()
    configure_logging(f"prepare-{step}", settings)
    log = structlog.get_logger()
    try:
        asyncio.run(_STEPS[step](settings))
    except Exception:
        log.exception("not_prepared")
        sys.exit(1)
    log.info("prepared")


if __name__ == "__main__":
    main()
