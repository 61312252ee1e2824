"""Stage `cells`: `python -m sluice_scheduler.entrypoints.cells`."""

from sluice_common.lifecycle import run_service
from sluice_scheduler.bootstrap import serve_cells
from sluice_scheduler.settings import CellsSettings


def main() -> None:
    """Serve the cell windows until signalled; a process that was fenced ends with 1."""
    settings = CellsSettings()
    run_service("cells", settings, lambda: serve_cells(settings))


if __name__ == "__main__":
    main()
