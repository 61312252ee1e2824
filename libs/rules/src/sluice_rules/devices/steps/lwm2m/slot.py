"""`AWAIT_SLOT`: wait for a place in the window (R073; design §4, "The slot protocol").

The wait never fails: it ends by a grant, a stop or the task's end. Grants that are not wanted any more are returned
by `decide`, in whatever step.
"""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.completion import fail
from sluice_rules.devices.device import SlotState
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Turn


class AwaitSlot(StepRules):
    """Ask when the device is awake; ask anew, under a new number, whenever it speaks."""

    def begin(self, turn: Turn) -> None:
        """Ask at once, unless the device has just failed to answer and not spoken since."""
        attempt = turn.execution.attempt
        if turn.execution.end_at <= turn.now:
            fail(turn, ReasonCode.TASK_ENDED)
            return
        self.arm(turn)
        if attempt.slot is not SlotState.KEPT or attempt.recheck:
            self.drive(turn)
        attempt.recheck = False

    def arm(self, turn: Turn) -> None:
        """Ask again after a while against lost messages, but end with the task."""
        execution = turn.execution
        execution.deadline = min(turn.now + turn.rules.slot_reask, execution.end_at)

    def on_uplink(self, turn: Turn) -> None:
        """The device is awake for a while: a free slot is worth having now."""
        self.drive(turn)

    def drive(self, turn: Turn) -> None:
        """Ask the window, but no window for a device that may have left its cell: it keeps its place until it tells."""
        if not _may_have_moved(turn):
            turn.ask_window()
            return
        attempt = turn.execution.attempt
        attempt.slot = SlotState.KEPT if attempt.slot is SlotState.ASKED else attempt.slot
        if turn.awake:
            turn.enter(Step.QUERY_COVERAGE)

    def on_granted(self, turn: Turn) -> None:
        """Begin."""
        turn.enter(Step.OBSERVE)

    def on_deadline(self, turn: Turn) -> None:
        """Ask again, or end with the task."""
        if turn.execution.end_at <= turn.now:
            fail(turn, ReasonCode.TASK_ENDED)
            return
        self.arm(turn)
        self.drive(turn)


def _may_have_moved(turn: Turn) -> bool:
    """Say whether the device has registered anew since it told its cell, or told it long ago; never of MQTT."""
    attempt = turn.execution.attempt
    if attempt.coverage is None:
        return False
    return turn.link.epoch > attempt.coverage_epoch or turn.now > attempt.coverage_until


def granted(turn: Turn) -> None:
    """Take the slot if the device can use it now; keep only the place otherwise."""
    if turn.awake:
        turn.execution.attempt.slot = SlotState.HELD
        turn.step.on_granted(turn)
    else:
        turn.release_slot(keep_place=True)


def grant_lost(turn: Turn) -> None:
    """The window has granted what never arrived: return it, and ask anew if the device is awake."""
    turn.release_slot(keep_place=True)
    turn.ask_window()
