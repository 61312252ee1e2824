"""The service that opens uploaded zips: ``python -m sluice_signing.entrypoints.service``."""

from sluice_common.bus.admin import why_kafka_is_unreachable
from sluice_common.lifecycle import run_service
from sluice_common.mongo import connect, why_mongodb_is_unreachable
from sluice_common.observability import announce_ready
from sluice_signing.bootstrap import SigningService
from sluice_signing.settings import SigningSettings


async def serve(settings: SigningSettings) -> None:
    """Answer uploads until cancelled."""
    async with connect(settings) as database:
        await SigningService(settings, database).run(lambda: announce_ready(settings))


def main() -> None:
    """Run the service until SIGTERM or SIGINT."""
    settings = SigningSettings()
    run_service(
        "signing", settings, lambda: serve(settings), after=(why_kafka_is_unreachable, why_mongodb_is_unreachable)
    )


if __name__ == "__main__":
    main()
