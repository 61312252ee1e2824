"""The projector: `python -m sluice_api.entrypoints.projector`."""

from functools import partial

from sluice_api.bootstrap.projector import run_projector
from sluice_api.settings import ProjectorSettings
from sluice_common.lifecycle import run_service


def main() -> None:
    """Project until SIGTERM."""
    settings = ProjectorSettings()
    run_service("projector", settings, partial(run_projector, settings))


if __name__ == "__main__":
    main()
