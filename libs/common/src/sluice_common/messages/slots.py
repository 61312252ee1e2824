"""The words of the slot protocol between the stages `devices` and `cells`."""

from sluice_common.messages.base import Value
from sluice_common.open_enum import OpenStrEnum


class CoverageClass(OpenStrEnum):
    """Class of a window: the weaker of RSRP's and SINR's level, or `cell-only` (R066–R076).

    `task` is no class of a cell: it is the one window of all MQTT devices of a task, as R102 knows no cells for them.
    """

    LEVEL_0 = "level-0"
    LEVEL_1 = "level-1"
    LEVEL_2 = "level-2"
    CELL_ONLY = "cell-only"
    TASK = "task"


class WindowKey(Value, frozen=True, kw_only=True, order=True):
    """The name of one cell window: slots of one coverage class in one physical cell (D02)."""

    network: str
    cell_id: int
    coverage_class: CoverageClass

    @property
    def cell_key(self) -> str:
        """The Kafka key of all windows of this cell."""
        return f"{self.network}/{self.cell_id}"

    def __str__(self) -> str:
        return f"{self.cell_key}/{self.coverage_class.value}"


def task_window(task_id: str) -> WindowKey:
    """Return the window of all MQTT devices of a task."""
    return WindowKey(network=f"task:{task_id}", cell_id=0, coverage_class=CoverageClass.TASK)


class Grant(Value, frozen=True, kw_only=True, order=True):
    """The name of one right to a slot; never used twice.

    Attributes:
        execution_id: With `attempt` the ticket, the place in the queue.
        attempt: The attempt, from 1.
        ask_no: Number of the ask: the offset of the event in `device-events` that caused it.
    """

    execution_id: str
    attempt: int
    ask_no: int
