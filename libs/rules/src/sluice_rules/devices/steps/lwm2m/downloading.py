"""`DOWNLOADING`: the device fetches the image and says so by its state (R080, R081).

What the device said before it had the Package URI is no news: not a start, and no image that could be installed.
Deadlines and doubts are settled by reading, in `QUERY_RESULT`. The Execute that follows is in `updating`.
"""

from sluice_common.messages.execution_events import Step
from sluice_rules.devices.judgements import DOWNLOADED, DOWNLOADING, UPDATING
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition


class Downloading(StepRules):
    """Waits for notifications only."""

    def begin(self, transition: Transition) -> None:
        """The URI is accepted; the download has to start."""
        attempt = transition.execution.attempt
        attempt.start_by = transition.after(transition.execution.policy.timeouts.download_start)
        transition.execution.deadline = min(attempt.start_by, attempt.not_after)

    def on_notified(self, transition: Transition, state: int) -> None:
        """Follow the device's state machine."""
        attempt = transition.execution.attempt
        was_so_before = state == attempt.state_before and not attempt.started
        transition.show_state(state)
        if state == DOWNLOADING:
            attempt.started = True
            transition.execution.deadline = attempt.not_after
        elif state in (DOWNLOADED, UPDATING) and not was_so_before:
            transition.enter(Step.UPDATING)
        else:
            transition.enter(Step.QUERY_RESULT)

    def on_uplink(self, transition: Transition) -> None:
        """A device that registers anew may have forgotten the observation; what a sleeper notified may be lost."""
        if transition.was_asleep or transition.link.epoch > transition.execution.attempt.epoch:
            transition.enter(Step.QUERY_RESULT)

    def on_deadline(self, transition: Transition) -> None:
        """Read where the device is."""
        transition.enter(Step.QUERY_RESULT)
