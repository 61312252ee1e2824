"""Stage `devices`: `python -m sluice_scheduler.entrypoints.devices`."""

import mode.loop

from sluice_common.observability import configure_logging
from sluice_scheduler.bootstrap import devices_worker
from sluice_scheduler.settings import DevicesSettings


def main() -> None:
    """Serve the devices until signalled."""
    mode.loop.use("uvloop")
    settings = DevicesSettings()
    configure_logging("devices", settings)
    devices_worker(settings).execute_from_commandline()


if __name__ == "__main__":
    main()
