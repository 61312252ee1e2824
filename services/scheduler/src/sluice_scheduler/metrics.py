"""What the stages export to Prometheus beside what every process does."""

from collections.abc import Mapping

from sluice_common.operations.metrics import EXPORTS, Metric, counter, gauge, histogram
from sluice_scheduler.application.cells.stage import CellsStage
from sluice_scheduler.application.cells.usage import CellCounts
from sluice_scheduler.application.devices.batches import BatchProcessor
from sluice_scheduler.application.devices.deadlines import Deadlines

EVENTS = counter("sluice_device_events_total", "Events of devices that the stage `devices` has applied.", "type")
IGNORED = counter(
    "sluice_device_events_ignored_total", "Those that changed nothing: repeated, late or foreign.", "type"
)
TRANSITIONS = counter(
    "sluice_step_transitions_total", "Executions that went from one step to another.", "before", "after"
)
ENDED = counter("sluice_executions_ended_total", "Executions that have ended.", "status", "reason")
IN_STEP = gauge(
    "sluice_executions_in_step", "Executions that wait in a step, of the partitions of this process.", "step"
)
COMMANDS = gauge("sluice_device_commands_waiting", "Commands of app servers that wait for their devices.")
BATCH = Metric("sluice_devices_batch_seconds", "histogram", "How long a batch of events took until it was durable.")
DEVICES = (EVENTS, IGNORED, TRANSITIONS, ENDED, IN_STEP, COMMANDS, BATCH)

REQUESTS = counter("sluice_cell_requests_total", "Requests to windows that the stage `cells` has applied.", "type")
GRANTS = counter(
    "sluice_slots_granted_total", "Grants of slots; one that is asked for again counts again.", "coverage_class"
)
SLOTS = gauge("sluice_window_slots", "Slots of the windows that are in use.", "coverage_class", "state")
WAITERS = gauge("sluice_window_waiters", "Attempts that wait for a slot.", "coverage_class")
WINDOWS = gauge("sluice_windows", "Windows that are in use.", "coverage_class")
STARVED = gauge(
    "sluice_window_starved_seconds",
    "Longest time for which a window with waiters has given no slot.",
    "coverage_class",
)
TOP_CELLS = gauge(
    "sluice_cell_waiters", "Attempts that wait, of the few windows with the most.", "cell", "coverage_class"
)
CELLS = (REQUESTS, GRANTS, SLOTS, WAITERS, WINDOWS, STARVED, TOP_CELLS)

METRICS: tuple[Metric, ...] = (*DEVICES, *CELLS)
BATCH_SECONDS = histogram(BATCH, (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0))


def export_devices(batches: BatchProcessor, deadlines: Deadlines) -> None:
    """Export what the stage `devices` counts and keeps."""
    counts = batches.counts
    EXPORTS.export(EVENTS, lambda: counts.events)
    EXPORTS.export(IGNORED, lambda: batches.no_ops.counts)
    EXPORTS.export(TRANSITIONS, lambda: counts.transitions)
    EXPORTS.export(ENDED, lambda: counts.ended)
    EXPORTS.export(IN_STEP, deadlines.executions_by_step)
    EXPORTS.export(COMMANDS, deadlines.commands)


def export_cells(stage: CellsStage, counts: CellCounts) -> None:
    """Export what the stage `cells` counts and keeps."""
    EXPORTS.export(REQUESTS, lambda: counts.requests)
    EXPORTS.export(GRANTS, lambda: counts.grants)
    EXPORTS.export(SLOTS, lambda: _slots(stage))
    EXPORTS.export(WAITERS, lambda: {name: usage.waiters for name, usage in stage.usage().items()})
    EXPORTS.export(WINDOWS, lambda: {name: usage.windows for name, usage in stage.usage().items()})
    EXPORTS.export(STARVED, lambda: {name: usage.starved for name, usage in stage.usage().items()})
    EXPORTS.export(TOP_CELLS, stage.fullest)


def _slots(stage: CellsStage) -> Mapping[tuple[str, str], float]:
    figures: dict[tuple[str, str], float] = {}
    for name, usage in stage.usage().items():
        figures |= {(name, "held"): usage.held, (name, "free"): max(0, usage.limit - usage.held)}
    return figures
