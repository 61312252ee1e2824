"""`QUERY_COVERAGE` and `QUERY_CELL`: which window the device belongs to (R066–R077, D01–D03).

What a device has told is not read again: only a missing cell id is, and what was told beside it is kept. A device that
tells RSRP and SINR is classed by the weaker of both, one that tells one of them or none by its cell alone (D03).

A waiter that may have moved comes here again. It keeps its place, but no ask is open meanwhile: a grant that comes is
returned.
"""

from abc import ABC, abstractmethod

from sluice_common.messages.device_events import RequestResult
from sluice_common.messages.execution_events import Coverage, Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.slots import CoverageClass
from sluice_common.messages.snapshots import ProductSnapshot
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import lwm2m_commands, slots
from sluice_rules.devices.attempt import Radio, window_of
from sluice_rules.devices.completion import fail_by, yield_slot
from sluice_rules.devices.lwm2m_paths import BEARER, CELL_ID, LINK_QUALITY, RADIO, RSRP
from sluice_rules.devices.readings import bearer, cell_id, failed_result, number, value_at
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition


class _Query(StepRules, ABC):
    """A device is asked where it is, before it waits for a slot or while it does."""

    def timeout(self, transition: Transition) -> float:
        """Return the query's time."""
        return transition.execution.policy.timeouts.coverage

    def drive(self, transition: Transition) -> None:
        """Read, and note under which registration."""
        transition.execution.attempt.epoch = transition.link.epoch
        self.read(transition)

    @abstractmethod
    def read(self, transition: Transition) -> None:
        """Read."""

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """Join the window of the cell, if the device tells which it is."""
        cell = cell_id(value_at(results, CELL_ID))
        if cell is None:
            transition.execution.attempt.refused = failed_result(results, "no cell id of 28 bits")
            self.failed(transition)
        else:
            _wait(transition, cell)

    @abstractmethod
    def failed(self, transition: Transition) -> None:
        """The device does not tell."""

    def expired(self, transition: Transition) -> None:
        """An unanswered query is a failed one; a waiter that has fallen asleep over it waits on."""
        if transition.execution.attempt.coverage is None:
            self.failed(transition)
        else:
            yield_slot(transition)


class QueryCoverage(_Query):
    """Read cell id, RSRP and SINR."""

    def read(self, transition: Transition) -> None:
        """Read the instance, and the SINR where the product keeps it elsewhere."""
        transition.execution.attempt.radio = Radio()
        sinr = transition.execution.product.sinr_path
        if sinr.startswith(f"{RADIO}/"):
            lwm2m_commands.ask(transition, Read(path=RADIO))
        else:
            lwm2m_commands.ask(transition, Read(path=RADIO), Read(path=sinr))

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """Keep what the device tells beside its cell."""
        transition.execution.attempt.radio = _radio(transition.execution.product, results)
        super().answered(transition, results)

    def failed(self, transition: Transition) -> None:
        """Ask for less."""
        transition.enter(Step.QUERY_CELL)


class QueryCell(_Query):
    """Read the cell id alone."""

    def read(self, transition: Transition) -> None:
        """Read."""
        lwm2m_commands.ask(transition, Read(path=CELL_ID))

    def failed(self, transition: Transition) -> None:
        """Neither coverage nor cell: no window, no upgrade."""
        fail_by(transition, ReasonCode.CELL_ID_UNAVAILABLE, transition.execution.attempt.refused)


def _radio(product: ProductSnapshot, results: tuple[RequestResult, ...]) -> Radio:
    """Return what the device tells of its radio, in dBm and dB by the scales of its product."""
    rsrp, sinr = number(value_at(results, RSRP)), number(value_at(results, product.sinr_path))
    return Radio(
        rsrp=None if rsrp is None else rsrp * product.rsrp_scale,
        sinr=None if sinr is None else sinr * product.sinr_scale,
        bearer=bearer(value_at(results, BEARER)),
        link_quality=number(value_at(results, LINK_QUALITY)),
    )


def _wait(transition: Transition, cell: int) -> None:
    """Wait in the window that the device belongs to now; one that has left another gives up its place there."""
    attempt, radio = transition.execution.attempt, transition.execution.attempt.radio
    coverage = Coverage(
        cell_id=cell,
        rsrp=radio.rsrp,
        sinr=radio.sinr,
        coverage_class=_class_of(transition, radio),
        network=transition.execution.product.network,
        bearer=radio.bearer,
        link_quality=radio.link_quality,
    )
    if attempt.coverage is not None and window_of(attempt.coverage) != window_of(coverage):
        slots.release(transition)
    attempt.coverage = coverage
    attempt.coverage_epoch = attempt.epoch
    attempt.coverage_until = transition.now + transition.rules.coverage_valid
    attempt.ask_at_once = True
    transition.enter(Step.AWAIT_SLOT)


def _class_of(transition: Transition, radio: Radio) -> CoverageClass:
    """Return the class by what the device tells: by one quantity alone nobody can tell how the other is."""
    if radio.rsrp is None or radio.sinr is None:
        return CoverageClass.CELL_ONLY
    return transition.rules.coverage.coverage_class(radio.rsrp, radio.sinr)
