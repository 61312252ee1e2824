"""How most steps of an execution answer events.

The defaults suit a step that asks the device one thing and waits for the answer: it asks when the device is awake,
asks again when its deadline passes (as often as the rules say) or when the device can be reached again after the
gateway could not reach it, and then gives up. Silence at a registration says nothing of a device that has a newer one.
A device that answers that it is busy is asked again when it wants to be, as long as the step has time.
"""

from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus, RequestResult
from sluice_rules.devices.judgements import NOT_SENT
from sluice_rules.devices.transition import StepHandler, Transition


class StepRules(StepHandler):
    """The rules of one step; they have no state of their own.

    Attributes:
        may_repeat: Whether the device may be asked again, though nobody knows what became of the first request.
    """

    may_repeat = True

    def timeout(self, transition: Transition) -> float:
        """Return the seconds that the step may take, all attempts at an answer together.

        Raises:
            NotImplementedError: The step has no such time: it sets its deadlines itself, in `begin` or `arm`.
        """
        raise NotImplementedError(type(self).__name__)

    def ends_at(self, transition: Transition) -> float:
        """Return when the step's time is over, seconds since 1970."""
        return transition.execution.ends_at

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
        """Set the deadline for one attempt at an answer, within the time of all of them."""
        execution, timeout = transition.execution, self.timeout(transition)
        execution.ends_at = execution.ends_at or transition.after(timeout)
        answered_by = transition.after(timeout / (transition.rules.redrives + 1))
        if transition.is_late:
            execution.ends_at = max(execution.ends_at, answered_by)
        execution.deadline = min(answered_by, execution.ends_at)

    def ask_again(self, transition: Transition) -> None:
        """Ask a device that could not be asked, or was busy."""
        if transition.execution.ask_at:
            transition.execution.ask_at = 0.0
            self.arm(transition)
        self.drive(transition)

    def put_off(self, transition: Transition, results: tuple[RequestResult, ...]) -> bool:
        """Wait for a device that is busy; return False if it is not, or for longer than the step has time."""
        execution = transition.execution
        max_age = results[-1].max_age if results else None
        if max_age is None:
            return False
        ask_at = transition.now + max(max_age, transition.rules.least_wait)
        if ask_at >= self.ends_at(transition):
            return False
        execution.ask_at = execution.deadline = ask_at
        transition.show_if_late()
        return True

    def on_uplink(self, transition: Transition) -> None:
        """Ask again what could not be asked."""
        execution = transition.execution
        if execution.awaited is None and execution.ask_at <= transition.now:
            self.ask_again(transition)

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """Take the answer; what was meant for an older registration is asked again."""
        awaited, transition.execution.awaited = transition.execution.awaited, None
        if outcome.status is OutcomeStatus.DONE:
            if not self.put_off(transition, outcome.results):
                self.answered(transition, outcome.results)
        elif awaited and awaited.epoch < transition.link.epoch and (self.may_repeat or outcome.status in NOT_SENT):
            self.drive(transition)
        else:
            self.unanswered(transition)

    def unanswered(self, transition: Transition) -> None:
        """The device was not reached: wait for its next uplink or the deadline, and show readers this step."""
        transition.show_if_late()

    def on_deadline(self, transition: Transition) -> None:
        """Ask a device that was busy, drive the step again, or give up (invariant 7)."""
        execution = transition.execution
        if execution.ask_at:
            self.ask_again(transition)
            return
        if execution.redrives >= transition.rules.redrives:
            self.expired(transition)
            return
        execution.redrives += 1
        transition.show_if_late()
        self.arm(transition)
        self.drive(transition)
