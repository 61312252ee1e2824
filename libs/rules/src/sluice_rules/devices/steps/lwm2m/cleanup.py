"""After the attempt: `CLOSING` (the fence) and `CANCEL_OBSERVE` (R085, D12)."""

from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.messages.lwm2m_commands import CancelObserve as CancelObserveRequest
from sluice_common.messages.lwm2m_commands import Write
from sluice_rules.devices import lwm2m_commands
from sluice_rules.devices.completion import release
from sluice_rules.devices.endings import end
from sluice_rules.devices.lwm2m_paths import STATE
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.reset import next_reset
from sluice_rules.devices.transition import Transition


class Closing(StepRules):
    """The image token is being revoked at the gateways that know it; the slot waits for it, or for the token's end."""

    def begin(self, transition: Transition) -> None:
        """Close, until each gateway has confirmed or the token has ended by itself."""
        attempt = transition.execution.attempt
        token_end = attempt.not_after + transition.rules.clock_skew
        if transition.now >= token_end:
            self._closed(transition)
            return
        transition.execution.deadline = min(transition.after(transition.execution.policy.timeouts.close), token_end)
        lwm2m_commands.close_next_download(transition)

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """Only confirmations make the fence; anything else leaves it to the deadline to try again."""
        if outcome.status is not OutcomeStatus.DONE:
            return
        if lwm2m_commands.note_closed(transition):
            self._closed(transition)
        else:
            self.begin(transition)

    def on_uplink(self, transition: Transition) -> None:
        """Note that the device is within reach again."""
        transition.execution.attempt.ask_at_once = True

    def on_deadline(self, transition: Transition) -> None:
        """Try again; the token's end bounds it."""
        transition.show_if_late()
        self.begin(transition)

    def _closed(self, transition: Transition) -> None:
        transition.execution.attempt.needs_fence = False
        transition.execution.attempt.opened_at = ()
        release(transition)


class CancelObserve(StepRules):
    """Best effort: that the device cannot be reached is no failure of the upgrade, and its result waits only a moment.

    The gateway hears of it in any case and observes no more; a notification that comes later is rejected.
    """

    def timeout(self, transition: Transition) -> float:
        """Return the time that the result, which is known, waits."""
        return min(transition.execution.policy.timeouts.cancel_observe, transition.rules.cancel_observe)

    def arm(self, transition: Transition) -> None:
        """Once for all that is sent."""
        execution = transition.execution
        execution.ends_at = execution.ends_at or transition.after(self.timeout(transition))
        execution.deadline = execution.ends_at

    def drive(self, transition: Transition) -> None:
        """Cancel, and tell a device that may still be downloading to stop."""
        reset = _reset(transition)
        requests = (CancelObserveRequest(path=STATE),) if reset is None else (CancelObserveRequest(path=STATE), reset)
        lwm2m_commands.send(transition, transition.command_id(), *requests)

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """Ask a busy device again, try another way to stop the download, or end, whatever the outcome was."""
        transition.execution.awaited = None
        results = outcome.results if outcome.status is OutcomeStatus.DONE else ()
        if self.put_off(transition, results):
            return
        if results and not results[-1].ok and results[-1].path != STATE:
            transition.execution.attempt.resets += 1
            if (reset := _reset(transition)) is not None:
                lwm2m_commands.send(transition, transition.command_id(), reset)
                return
        end(transition)

    def on_uplink(self, transition: Transition) -> None:
        """The command is under way, or comes in a moment."""

    def on_deadline(self, transition: Transition) -> None:
        """Ask a device that was busy, or end without an answer, too."""
        if transition.execution.ask_at:
            self.ask_again(transition)
        else:
            end(transition)


def _reset(transition: Transition) -> Write | None:
    """Return what stops a download: of a device that took this attempt's URI and gave no verdict before its Execute."""
    execution = transition.execution
    attempt, verdict = execution.attempt, execution.verdict
    succeeded = verdict is not None and verdict.status is ExecutionStatus.SUCCEEDED
    if succeeded or not attempt.uri_accepted or attempt.execute_id is not None:
        return None
    return next_reset(attempt)
