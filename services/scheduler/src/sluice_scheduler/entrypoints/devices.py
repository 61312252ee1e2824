"""Stage `devices`: `python -m sluice_scheduler.entrypoints.devices`."""

from sluice_common.lifecycle import run_service
from sluice_scheduler.bootstrap import serve_devices
from sluice_scheduler.settings import DevicesSettings


def main() -> None:
    """Serve the devices until signalled; a process that makes no progress ends with 1."""
    settings = DevicesSettings()
    run_service("devices", settings, lambda: serve_devices(settings))


if __name__ == "__main__":
    main()
