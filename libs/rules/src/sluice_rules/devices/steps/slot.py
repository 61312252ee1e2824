"""`AWAIT_SLOT`: wait for a place in the window (R073; `docs/upgrade.md`, "The slot protocol").

The wait never fails: it ends by a grant, a stop or the task's end. Grants that are not wanted any more are returned
by `decide`, in whatever step.
"""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.attempt import SlotState
from sluice_rules.devices.completion import fail
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition


class AwaitSlot(StepRules):
    """Ask when the device is awake; ask anew, under a new number, whenever it speaks."""

    def begin(self, transition: Transition) -> None:
        """Ask at once, unless the device has just failed to answer and not spoken since."""
        attempt = transition.execution.attempt
        if transition.execution.end_at <= transition.now:
            fail(transition, ReasonCode.TASK_ENDED)
            return
        self.arm(transition)
        if attempt.slot is not SlotState.KEPT or attempt.recheck:
            self.drive(transition)
        attempt.recheck = False

    def arm(self, transition: Transition) -> None:
        """Ask again after a while against lost messages, but end with the task."""
        execution = transition.execution
        execution.deadline = min(transition.now + transition.rules.slot_reask, execution.end_at)

    def on_uplink(self, transition: Transition) -> None:
        """The device is awake for a while: a free slot is worth having now."""
        self.drive(transition)

    def drive(self, transition: Transition) -> None:
        """Ask the window, but no window for a device that may have left its cell: it keeps its place until it tells."""
        if not _may_have_moved(transition):
            transition.ask_window()
            return
        attempt = transition.execution.attempt
        attempt.slot = SlotState.KEPT if attempt.slot is SlotState.ASKED else attempt.slot
        if transition.awake:
            transition.enter(Step.QUERY_COVERAGE)

    def on_granted(self, transition: Transition) -> None:
        """Begin."""
        transition.enter(Step.OBSERVE)

    def on_deadline(self, transition: Transition) -> None:
        """Ask again, or end with the task."""
        if transition.execution.end_at <= transition.now:
            fail(transition, ReasonCode.TASK_ENDED)
            return
        self.arm(transition)
        self.drive(transition)


def _may_have_moved(transition: Transition) -> bool:
    """Return whether the device has registered anew since it told its cell, or told it long ago; never of MQTT."""
    attempt = transition.execution.attempt
    if attempt.coverage is None:
        return False
    return transition.link.epoch > attempt.coverage_epoch or transition.now > attempt.coverage_until


def granted(transition: Transition) -> None:
    """Take the slot if the device can use it now; keep only the place otherwise."""
    if transition.awake:
        transition.execution.attempt.slot = SlotState.HELD
        transition.step.on_granted(transition)
    else:
        transition.release_slot(keep_place=True)


def grant_lost(transition: Transition) -> None:
    """The window has granted what never arrived: return it, and ask anew if the device is awake."""
    transition.release_slot(keep_place=True)
    transition.ask_window()
