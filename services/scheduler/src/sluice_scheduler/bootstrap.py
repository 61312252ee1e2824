"""Where the scheduler's stages are wired together."""

from typing import Any

from sluice_common.observability import announce_ready
from sluice_scheduler.adapters.cells.stage import CellsStage
from sluice_scheduler.settings import CellsSettings, DevicesSettings


async def serve_cells(settings: CellsSettings) -> None:
    """Run the stage `cells` until cancelled."""
    stage = CellsStage(settings)
    try:
        await stage.start()
        announce_ready(settings)
        await stage.run()
    finally:
        await stage.stop()


def devices_worker(settings: DevicesSettings) -> Any:
    """Return a Faust worker that runs the stage `devices`; its process ends with 1 if the stage fails."""
    # Only here, so that the stage `cells` does not carry Faust.
    import faust  # noqa: PLC0415

    from sluice_scheduler.adapters.devices.stage import DevicesStage  # noqa: PLC0415

    stage = DevicesStage(settings)

    async def serve() -> None:
        announce_ready(settings)
        await stage.run()

    stage.app.task(serve)
    worker = faust.Worker(stage.app, loglevel="WARN", quiet=True, redirect_stdouts=False)
    # The spinner turns with every log record, for which Faust sets the root logger to DEBUG: an eighth of the CPU time.
    worker.spinner = None
    return worker
