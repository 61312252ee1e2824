"""`QUERY_COVERAGE` and `QUERY_CELL`: which window the device belongs to (R066–R077, D01–D03)."""

from sluice_common.messages.device_events import RequestResult
from sluice_common.messages.execution_events import Coverage, Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.slots import CoverageClass
from sluice_common.reasons import ReasonCode
from sluice_scheduler.domain.coverage import coverage_class
from sluice_scheduler.domain.endings import fail
from sluice_scheduler.domain.readings import cell_id, number, value_at
from sluice_scheduler.domain.steps.base import StepRules
from sluice_scheduler.domain.turn import Turn

INSTANCE, RSRP, CELL_ID = "/4/0", "/4/0/2", "/4/0/8"


class QueryCoverage(StepRules):
    """Read cell ID, RSRP and SINR; whatever is missing leaves the cell ID alone."""

    def timeout(self, turn: Turn) -> float:
        """Return the coverage query's time."""
        return turn.execution.policy.timeouts.coverage

    def drive(self, turn: Turn) -> None:
        """Read the instance, and the SINR where the product keeps it elsewhere."""
        sinr = turn.execution.product.sinr_path
        if sinr.startswith(f"{INSTANCE}/"):
            turn.ask_device(Read(path=INSTANCE))
        else:
            turn.ask_device(Read(path=INSTANCE), Read(path=sinr))

    def answered(self, turn: Turn, results: tuple[RequestResult, ...]) -> None:
        """Join the window of the weaker level, or fall back to the cell ID."""
        product = turn.execution.product
        cell = cell_id(value_at(results, CELL_ID))
        rsrp = number(value_at(results, RSRP))
        sinr = number(value_at(results, product.sinr_path))
        if cell is None or rsrp is None or sinr is None:
            turn.enter(Step.QUERY_CELL)
            return
        rsrp, sinr = rsrp * product.rsrp_scale, sinr * product.sinr_scale
        turn.execution.attempt.coverage = Coverage(
            cell_id=cell,
            rsrp=rsrp,
            sinr=sinr,
            coverage_class=coverage_class(rsrp, sinr, turn.rules),
            network=product.network,
        )
        turn.enter(Step.AWAIT_SLOT)

    def expired(self, turn: Turn) -> None:
        """An unanswered query is a failed one."""
        turn.enter(Step.QUERY_CELL)


class QueryCell(StepRules):
    """Read the cell ID alone."""

    def timeout(self, turn: Turn) -> float:
        """Return the cell query's time."""
        return turn.execution.policy.timeouts.coverage

    def drive(self, turn: Turn) -> None:
        """Read."""
        turn.ask_device(Read(path=CELL_ID))

    def answered(self, turn: Turn, results: tuple[RequestResult, ...]) -> None:
        """Join the cell's window for devices of unknown coverage."""
        cell = cell_id(value_at(results, CELL_ID))
        if cell is None:
            self.expired(turn)
            return
        turn.execution.attempt.coverage = Coverage(
            cell_id=cell,
            coverage_class=CoverageClass.CELL_ONLY,
            network=turn.execution.product.network,
        )
        turn.enter(Step.AWAIT_SLOT)

    def expired(self, turn: Turn) -> None:
        """Neither coverage nor cell: no window, no upgrade."""
        fail(turn, ReasonCode.CELL_ID_UNAVAILABLE)
