"""`QUERY_COVERAGE` and `QUERY_CELL`: which window the device belongs to (R066–R077, D01–D03).

A waiter that may have moved comes here again. It keeps its place, but no ask is open meanwhile: a grant that comes is
returned.
"""

from sluice_common.messages.device_events import RequestResult
from sluice_common.messages.execution_events import Coverage, Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.slots import CoverageClass
from sluice_common.reasons import ReasonCode
from sluice_rules.cells.coverage import coverage_class
from sluice_rules.devices.completion import fail, surrender
from sluice_rules.devices.device import window_of
from sluice_rules.devices.readings import cell_id, number, value_at
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Turn

INSTANCE, RSRP, CELL_ID = "/4/0", "/4/0/2", "/4/0/8"


class _Query(StepRules):
    """A device is asked where it is, before it waits for a slot or while it does."""

    def timeout(self, turn: Turn) -> float:
        """Return the query's time."""
        return turn.execution.policy.timeouts.coverage

    def drive(self, turn: Turn) -> None:
        """Read, and note under which registration."""
        turn.execution.attempt.epoch = turn.link.epoch
        self.read(turn)

    def read(self, turn: Turn) -> None:
        """Read."""
        raise NotImplementedError

    def failed(self, turn: Turn) -> None:
        """The device does not tell."""
        raise NotImplementedError

    def expired(self, turn: Turn) -> None:
        """An unanswered query is a failed one; a waiter that has fallen asleep over it waits on."""
        if turn.execution.attempt.coverage is None:
            self.failed(turn)
        else:
            surrender(turn)


class QueryCoverage(_Query):
    """Read cell ID, RSRP and SINR; whatever is missing leaves the cell ID alone."""

    def read(self, turn: Turn) -> None:
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
            self.failed(turn)
            return
        rsrp, sinr = rsrp * product.rsrp_scale, sinr * product.sinr_scale
        found = coverage_class(rsrp, sinr, turn.rules)
        _wait(turn, Coverage(cell_id=cell, rsrp=rsrp, sinr=sinr, coverage_class=found, network=product.network))

    def failed(self, turn: Turn) -> None:
        """Ask for less."""
        turn.enter(Step.QUERY_CELL)


class QueryCell(_Query):
    """Read the cell ID alone."""

    def read(self, turn: Turn) -> None:
        """Read."""
        turn.ask_device(Read(path=CELL_ID))

    def answered(self, turn: Turn, results: tuple[RequestResult, ...]) -> None:
        """Join the cell's window for devices of unknown coverage."""
        cell = cell_id(value_at(results, CELL_ID))
        if cell is None:
            self.failed(turn)
            return
        network = turn.execution.product.network
        _wait(turn, Coverage(cell_id=cell, coverage_class=CoverageClass.CELL_ONLY, network=network))

    def failed(self, turn: Turn) -> None:
        """Neither coverage nor cell: no window, no upgrade."""
        fail(turn, ReasonCode.CELL_ID_UNAVAILABLE)


def _wait(turn: Turn, coverage: Coverage) -> None:
    """Wait in the window that the device belongs to now; one that has left another gives up its place there."""
    attempt = turn.execution.attempt
    if attempt.coverage is not None and window_of(attempt.coverage) != window_of(coverage):
        turn.release_slot()
    attempt.coverage = coverage
    attempt.coverage_epoch = attempt.epoch
    attempt.coverage_until = turn.now + turn.rules.coverage_valid
    attempt.recheck = True
    turn.enter(Step.AWAIT_SLOT)
