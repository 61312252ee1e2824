"""`AWAIT_SLOT`: wait for a place in the window (R073; docs/upgrade.md, "The slot protocol").

The wait never fails: it ends by a grant, a stop or the task's end. Grants that are not wanted any more are returned
in whatever step (`slots`).
"""

from sluice_common.reasons import ReasonCode
from sluice_rules.devices import slots
from sluice_rules.devices.completion import fail
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition


class AwaitSlot(StepRules):
    """Asks when the device is awake, and asks anew, under a new number, at each uplink and after a while."""

    def begin(self, transition: Transition) -> None:
        """Ask at once, or end with the task."""
        if transition.execution.end_at <= transition.now:
            fail(transition, ReasonCode.TASK_ENDED)
            return
        super().begin(transition)

    def arm(self, transition: Transition) -> None:
        """Ask again after a while against lost messages, but end with the task."""
        execution = transition.execution
        execution.deadline = min(transition.after(transition.rules.slot_reask), execution.end_at)

    def on_uplink(self, transition: Transition) -> None:
        """The device is awake for a while: a free slot is worth having now."""
        self.drive(transition)

    def drive(self, transition: Transition) -> None:
        """Ask the window."""
        slots.ask(transition)

    def on_deadline(self, transition: Transition) -> None:
        """Ask again, or end with the task."""
        if transition.execution.end_at <= transition.now:
            fail(transition, ReasonCode.TASK_ENDED)
            return
        self.arm(transition)
        self.drive(transition)
