"""The relay: `python -m sluice_api.entrypoints.relay`."""

from sluice_api.bootstrap import create_relay
from sluice_api.settings import RelaySettings
from sluice_common.bus import Producer
from sluice_common.lifecycle import run_service
from sluice_common.observability import announce_ready


async def _relay(settings: RelaySettings) -> None:
    producer = Producer(settings)
    await producer.start()
    try:
        relay = create_relay(settings, producer)
        announce_ready(settings)
        await relay.run()
    finally:
        await producer.stop()


def main() -> None:
    """Relay until SIGTERM."""
    settings = RelaySettings()
    run_service("relay", settings, lambda: _relay(settings))


if __name__ == "__main__":
    main()
