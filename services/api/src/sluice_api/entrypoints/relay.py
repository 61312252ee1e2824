"""The relay: `python -m sluice_api.entrypoints.relay`."""

from functools import partial

from sluice_api.bootstrap.relay import run_relay
from sluice_api.settings import RelaySettings
from sluice_common.lifecycle import run_service


def main() -> None:
    """Relay until SIGTERM."""
    settings = RelaySettings()
    run_service("relay", settings, partial(run_relay, settings))


if __name__ == "__main__":
    main()
