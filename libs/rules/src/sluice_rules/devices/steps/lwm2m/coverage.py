"""`QUERY_COVERAGE` and `QUERY_CELL`: which window the device belongs to (R066–R077, D01–D03).

A waiter that may have moved comes here again. It keeps its place, but no ask is open meanwhile: a grant that comes is
returned.
"""

from sluice_common.messages.device_events import RequestResult
from sluice_common.messages.execution_events import Coverage, Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.slots import CoverageClass
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import lwm2m_commands, slots
from sluice_rules.devices.attempt import window_of
from sluice_rules.devices.completion import fail, yield_slot
from sluice_rules.devices.readings import cell_id, number, value_at
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition

INSTANCE, RSRP, CELL_ID = "/4/0", "/4/0/2", "/4/0/8"


class _Query(StepRules):
    """A device is asked where it is, before it waits for a slot or while it does."""

    def timeout(self, transition: Transition) -> float:
        """Return the query's time."""
        return transition.execution.policy.timeouts.coverage

    def drive(self, transition: Transition) -> None:
        """Read, and note under which registration."""
        transition.execution.attempt.epoch = transition.link.epoch
        self.read(transition)

    def read(self, transition: Transition) -> None:
        """Read."""
        raise NotImplementedError

    def failed(self, transition: Transition) -> None:
        """The device does not tell."""
        raise NotImplementedError

    def expired(self, transition: Transition) -> None:
        """An unanswered query is a failed one; a waiter that has fallen asleep over it waits on."""
        if transition.execution.attempt.coverage is None:
            self.failed(transition)
        else:
            yield_slot(transition)


class QueryCoverage(_Query):
    """Read cell ID, RSRP and SINR; whatever is missing leaves the cell ID alone."""

    def read(self, transition: Transition) -> None:
        """Read the instance, and the SINR where the product keeps it elsewhere."""
        sinr = transition.execution.product.sinr_path
        if sinr.startswith(f"{INSTANCE}/"):
            lwm2m_commands.ask(transition, Read(path=INSTANCE))
        else:
            lwm2m_commands.ask(transition, Read(path=INSTANCE), Read(path=sinr))

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """Join the window of the weaker level, or fall back to the cell ID."""
        product = transition.execution.product
        cell = cell_id(value_at(results, CELL_ID))
        rsrp = number(value_at(results, RSRP))
        sinr = number(value_at(results, product.sinr_path))
        if cell is None or rsrp is None or sinr is None:
            self.failed(transition)
            return
        rsrp, sinr = rsrp * product.rsrp_scale, sinr * product.sinr_scale
        found = transition.rules.coverage.coverage_class(rsrp, sinr)
        _wait(transition, Coverage(cell_id=cell, rsrp=rsrp, sinr=sinr, coverage_class=found, network=product.network))

    def failed(self, transition: Transition) -> None:
        """Ask for less."""
        transition.enter(Step.QUERY_CELL)


class QueryCell(_Query):
    """Read the cell ID alone."""

    def read(self, transition: Transition) -> None:
        """Read."""
        lwm2m_commands.ask(transition, Read(path=CELL_ID))

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """Join the cell's window for devices of unknown coverage."""
        cell = cell_id(value_at(results, CELL_ID))
        if cell is None:
            self.failed(transition)
            return
        network = transition.execution.product.network
        _wait(transition, Coverage(cell_id=cell, coverage_class=CoverageClass.CELL_ONLY, network=network))

    def failed(self, transition: Transition) -> None:
        """Neither coverage nor cell: no window, no upgrade."""
        fail(transition, ReasonCode.CELL_ID_UNAVAILABLE)


def _wait(transition: Transition, coverage: Coverage) -> None:
    """Wait in the window that the device belongs to now; one that has left another gives up its place there."""
    attempt = transition.execution.attempt
    if attempt.coverage is not None and window_of(attempt.coverage) != window_of(coverage):
        slots.release(transition)
    attempt.coverage = coverage
    attempt.coverage_epoch = attempt.epoch
    attempt.coverage_until = transition.now + transition.rules.coverage_valid
    attempt.ask_at_once = True
    transition.enter(Step.AWAIT_SLOT)
