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
from sluice_rules.devices.transition import Turn


class StepRules:
    """The rules of one step; they have no state of their own."""

    def timeout(self, turn: Turn) -> float:
        """Return the seconds that the step may take, all attempts at an answer together."""
        raise NotImplementedError

    def drive(self, turn: Turn) -> None:
        """Ask the device what the step wants to know, if it is awake."""

    def answered(self, turn: Turn, results: tuple[RequestResult, ...]) -> None:
        """The device answered the requests, up to the first that it refused."""

    def expired(self, turn: Turn) -> None:
        """The step's time is over."""

    def begin(self, turn: Turn) -> None:
        """The step is entered."""
        self.arm(turn)
        self.drive(turn)

    def arm(self, turn: Turn) -> None:
        """Set the deadline for one attempt at an answer."""
        turn.execution.deadline = turn.now + self.timeout(turn) / (turn.rules.redrives + 1)

    def on_uplink(self, turn: Turn) -> None:
        """The device spoke: ask again what could not be asked."""
        if turn.execution.awaited is None:
            self.drive(turn)

    def on_outcome(self, turn: Turn, outcome: CommandOutcome) -> None:
        """The awaited command has ended."""
        awaited, turn.execution.awaited = turn.execution.awaited, None
        if outcome.status is OutcomeStatus.DONE:
            self.answered(turn, outcome.results)
        elif outcome.status is OutcomeStatus.STALE and awaited and awaited.epoch < turn.link.epoch:
            self.drive(turn)
        else:
            self.unanswered(turn)

    def unanswered(self, turn: Turn) -> None:
        """The device was not reached: wait for its next uplink or the deadline, and let readers know where."""
        turn.show_if_late()

    def on_granted(self, turn: Turn) -> None:
        """The attempt holds the slot that it has asked for."""

    def on_notified(self, turn: Turn, state: int) -> None:
        """The device notified `/5/0/3`."""

    def on_version(self, turn: Turn, version: str | None) -> None:
        """The MQTT device reported its firmware version, None for none that is one."""

    def on_progress(self, turn: Turn, report: UpgradeProgressReported) -> None:
        """The MQTT device reported how its upgrade goes, in the same attempt or an earlier one."""

    def moved(self, turn: Turn) -> None:
        """The MQTT device reported that it is at work."""

    def on_served(self, turn: Turn, *, complete: bool) -> None:
        """The MQTT device of this attempt was served bytes of the image, or all of them."""

    def on_deadline(self, turn: Turn) -> None:
        """The deadline passed: drive the step again, or give up (invariant 7)."""
        execution = turn.execution
        if execution.redrives >= turn.rules.redrives:
            self.expired(turn)
            return
        execution.redrives += 1
        turn.show_if_late()
        self.arm(turn)
        self.drive(turn)
