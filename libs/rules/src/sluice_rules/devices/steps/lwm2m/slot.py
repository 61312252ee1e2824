"""`AWAIT_SLOT` of LwM2M devices: the window of the cell and coverage class that the device has reported."""

from sluice_common.messages.execution_events import Step
from sluice_rules.devices import slots
from sluice_rules.devices.attempt import SlotState
from sluice_rules.devices.steps.slot import AwaitSlot
from sluice_rules.devices.transition import Transition


class Lwm2mAwaitSlot(AwaitSlot):
    """Asks no window for a device that may have left its cell."""

    def begin(self, transition: Transition) -> None:
        """Ask at once, but not for a device that has just lost its slot by silence: it asks at its next uplink."""
        execution, attempt = transition.execution, transition.execution.attempt
        is_silent = attempt.slot is SlotState.KEPT and not attempt.ask_at_once
        attempt.ask_at_once = False
        if is_silent and execution.end_at > transition.now:
            self.arm(transition)
        else:
            super().begin(transition)

    def drive(self, transition: Transition) -> None:
        """Ask the window, or the device where it is; meanwhile it keeps its place, and no ask is open."""
        attempt = transition.execution.attempt
        if not _may_have_moved(transition):
            slots.ask(transition)
            return
        attempt.slot = SlotState.KEPT if attempt.slot is SlotState.ASKED else attempt.slot
        if transition.awake:
            transition.enter(Step.QUERY_COVERAGE)

    def on_granted(self, transition: Transition) -> None:
        """Begin."""
        transition.enter(Step.OBSERVE)


def _may_have_moved(transition: Transition) -> bool:
    """Return whether the device has registered anew since it reported its cell, or reported it long ago."""
    attempt = transition.execution.attempt
    return transition.link.epoch > attempt.coverage_epoch or transition.now > attempt.coverage_until
