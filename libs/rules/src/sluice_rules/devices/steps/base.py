"""How a step of an execution answers events; each step overrides what is its own.

The defaults suit a step that asks the device one thing and waits for the answer: it asks when the device is awake,
asks again when its deadline passes (as often as the rules say) or when the device speaks after the gateway could not
reach it, and then gives up. Only answers to the awaited command come here.
"""

from sluice_common.messages.device_events import (
    CommandOutcome,
    OutcomeStatus,
    RequestResult,
    UpgradeProgressReported,
)
from sluice_rules.devices.transition import Transition


class StepRules:
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
        """The step is entered."""
        self.arm(transition)
        self.drive(transition)

    def arm(self, transition: Transition) -> None:
        """Set the deadline for one attempt at an answer."""
        transition.execution.deadline = transition.now + self.timeout(transition) / (transition.rules.redrives + 1)

    def on_uplink(self, transition: Transition) -> None:
        """The device spoke: ask again what could not be asked."""
        if transition.execution.awaited is None:
            self.drive(transition)

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """The awaited command has ended."""
        awaited, transition.execution.awaited = transition.execution.awaited, None
        if outcome.status is OutcomeStatus.DONE:
            self.answered(transition, outcome.results)
        elif outcome.status is OutcomeStatus.STALE and awaited and awaited.epoch < transition.link.epoch:
            self.drive(transition)
        else:
            self.unanswered(transition)

    def unanswered(self, transition: Transition) -> None:
        """The device was not reached: wait for its next uplink or the deadline, and let readers know where."""
        transition.show_if_late()

    def on_granted(self, transition: Transition) -> None:
        """The attempt holds the slot that it has asked for."""

    def on_notified(self, transition: Transition, state: int) -> None:
        """The device notified `/5/0/3`."""

    def on_version(self, transition: Transition, version: str | None) -> None:
        """The MQTT device reported its firmware version, None for none that is one."""

    def on_progress(self, transition: Transition, report: UpgradeProgressReported) -> None:
        """The MQTT device reported how its upgrade goes, in the same attempt or an earlier one."""

    def moved(self, transition: Transition) -> None:
        """The MQTT device reported that it is at work."""

    def on_served(self, transition: Transition, *, complete: bool) -> None:
        """The MQTT device of this attempt was served bytes of the image, or all of them."""

    def on_deadline(self, transition: Transition) -> None:
        """The deadline passed: drive the step again, or give up (invariant 7)."""
        execution = transition.execution
        if execution.redrives >= transition.rules.redrives:
            self.expired(transition)
            return
        execution.redrives += 1
        transition.show_if_late()
        self.arm(transition)
        self.drive(transition)
