"""The service that opens uploaded zips: ``python -m sluice_signing.entrypoints.service``."""

import asyncio
import contextlib
import signal

from sluice_common.observability import announce_ready, configure_logging
from sluice_signing.bootstrap import SigningService
from sluice_signing.settings import SigningSettings


async def serve(settings: SigningSettings) -> None:
    """Answer uploads until SIGTERM or SIGINT."""
    service = SigningService(settings)
    try:
        await service.start()
        announce_ready(settings)
        await service.run()
    finally:
        await service.stop()


async def _until_told(settings: SigningSettings) -> None:
    task = asyncio.ensure_future(serve(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Run the service."""
    settings = SigningSettings()
    configure_logging("signing", settings)
    asyncio.run(_until_told(settings))


if __name__ == "__main__":
    main()
