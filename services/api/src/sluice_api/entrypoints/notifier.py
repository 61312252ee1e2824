"""Worker `notifier`: execution events in, callbacks to app servers out."""

from functools import partial

from sluice_api.bootstrap.notifier import run_notifier
from sluice_api.settings import NotifierSettings
from sluice_common.lifecycle import run_service


def main() -> None:
    """Run the worker until it is signalled."""
    settings = NotifierSettings()
    run_service("notifier", settings, partial(run_notifier, settings))


if __name__ == "__main__":
    main()
