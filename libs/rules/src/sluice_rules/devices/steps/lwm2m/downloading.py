"""`DOWNLOADING`: the device fetches the image and says so by its state (R080, R081).

Deadlines and doubts are settled by reading, in `QUERY_RESULT`. The Execute that follows is in `updating`.
"""

from sluice_common.messages.execution_events import Step
from sluice_rules.devices.judgements import DOWNLOADED, DOWNLOADING, UPDATING
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Turn


class Downloading(StepRules):
    """Waits for notifications only."""

    def begin(self, turn: Turn) -> None:
        """The URI is accepted; the download has to start."""
        attempt = turn.execution.attempt
        attempt.start_by = turn.now + turn.execution.policy.timeouts.download_start
        turn.execution.deadline = min(attempt.start_by, attempt.not_after)

    def on_notified(self, turn: Turn, state: int) -> None:
        """Follow the device's state machine."""
        turn.show_state(state)
        if state == DOWNLOADING:
            turn.execution.deadline = turn.execution.attempt.not_after
        elif state in (DOWNLOADED, UPDATING):
            turn.enter(Step.UPDATING)
        else:
            turn.enter(Step.QUERY_RESULT)

    def on_uplink(self, turn: Turn) -> None:
        """A device that registers anew may have forgotten the observation; what a sleeper notified may be lost."""
        if turn.was_asleep or turn.link.epoch > turn.execution.attempt.epoch:
            turn.enter(Step.QUERY_RESULT)

    def on_deadline(self, turn: Turn) -> None:
        """Read where the device is."""
        turn.enter(Step.QUERY_RESULT)
