"""How most steps of an execution answer events.

The defaults suit a step that asks the device one thing and waits for the answer: it asks when the device is awake,
asks again when its deadline passes (as often as the rules say) or when the device can be reached again after the
gateway could not reach it, and then gives up.
"""

from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus, RequestResult
from sluice_rules.devices.transition import StepHandler, Transition


class StepRules(StepHandler):
    """The rules of one step; they have no state of their own."""

    def timeout(self, transition: Transition) -> float:
        """Return the seconds that the step may take, all attempts at an answer together."""
        raise NotImplementedError

    def drive(self, transition: Transition) -> None:
        """Ask the device what the step wants to know, if it is awake."""

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """The device answered the requests, up to the first that it refused."""

    def expired(self, transition: Transition) -> None:
        """The step's time is over."""

    def begin(self, transition: Transition) -> None:
        """Ask, and wait for the answer."""
        self.arm(transition)
        self.drive(transition)

    def arm(self, transition: Transition) -> None:
        """Set the deadline for one attempt at an answer."""
        transition.execution.deadline = transition.now + self.timeout(transition) / (transition.rules.redrives + 1)

    def on_uplink(self, transition: Transition) -> None:
        """Ask again what could not be asked."""
        if transition.execution.awaited is None:
            self.drive(transition)

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """Take the answer; what was meant for an older registration is asked again."""
        awaited, transition.execution.awaited = transition.execution.awaited, None
        if outcome.status is OutcomeStatus.DONE:
            self.answered(transition, outcome.results)
        elif outcome.status is OutcomeStatus.STALE and awaited and awaited.epoch < transition.link.epoch:
            self.drive(transition)
        else:
            self.unanswered(transition)

    def unanswered(self, transition: Transition) -> None:
        """The device was not reached: wait for its next uplink or the deadline, and show readers this step."""
        transition.show_if_late()

    def on_deadline(self, transition: Transition) -> None:
        """Drive the step again, or give up (invariant 7)."""
        execution = transition.execution
        if execution.redrives >= transition.rules.redrives:
            self.expired(transition)
            return
        execution.redrives += 1
        transition.show_if_late()
        self.arm(transition)
        self.drive(transition)
