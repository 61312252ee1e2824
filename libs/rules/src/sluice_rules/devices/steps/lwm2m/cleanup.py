"""After the attempt: `CLOSING` (the fence) and `CANCEL_OBSERVE` (R085, D12)."""

from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.messages.lwm2m_commands import CancelObserve as CancelObserveRequest
from sluice_common.messages.lwm2m_commands import Write
from sluice_rules.devices import lwm2m_commands
from sluice_rules.devices.completion import release
from sluice_rules.devices.endings import end
from sluice_rules.devices.judgements import IDLE
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.version import PACKAGE_URI, STATE
from sluice_rules.devices.transition import Transition


class Closing(StepRules):
    """The image token is being revoked at the gateway; the slot waits for it, or for the token's end."""

    def begin(self, transition: Transition) -> None:
        """Close, until the gateway confirms or the token has ended by itself."""
        attempt = transition.execution.attempt
        token_end = attempt.not_after + transition.rules.clock_skew
        if transition.now >= token_end:
            self._closed(transition)
            return
        transition.execution.deadline = min(transition.now + transition.execution.policy.timeouts.close, token_end)
        lwm2m_commands.close_download(transition, awaited=True)

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """Only a confirmation makes the fence; anything else leaves it to the deadline to try again."""
        if outcome.status is OutcomeStatus.DONE:
            self._closed(transition)

    def on_uplink(self, transition: Transition) -> None:
        """Note that the device is within reach again."""
        transition.execution.attempt.ask_at_once = True

    def on_deadline(self, transition: Transition) -> None:
        """Try again; the token's end bounds it."""
        transition.show_if_late()
        self.begin(transition)

    def _closed(self, transition: Transition) -> None:
        transition.execution.attempt.needs_fence = False
        release(transition)


class CancelObserve(StepRules):
    """Best effort: that the device cannot be reached is no failure of the upgrade.

    The gateway hears of it in any case and observes no more; a notification that comes later is rejected.
    """

    def begin(self, transition: Transition) -> None:
        """Cancel, and tell a device that may still be downloading to stop."""
        execution = transition.execution
        execution.deadline = transition.now + execution.policy.timeouts.cancel_observe
        requests: tuple[CancelObserveRequest | Write, ...] = (CancelObserveRequest(path=STATE),)
        if _may_be_downloading(transition):
            requests = (*requests, Write(path=PACKAGE_URI, value=""))
        lwm2m_commands.send(transition, transition.command_id(), *requests)

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:  # noqa: ARG002 - any outcome will do
        """Whatever it was, the execution ends."""
        end(transition)

    def on_uplink(self, transition: Transition) -> None:
        """The command is under way."""

    def on_deadline(self, transition: Transition) -> None:
        """Without an answer, too."""
        end(transition)


def _may_be_downloading(transition: Transition) -> bool:
    """Return whether the last attempt ended before its Execute and before the device's own verdict."""
    execution = transition.execution
    attempt, verdict = execution.attempt, execution.verdict
    succeeded = verdict is not None and verdict.status is ExecutionStatus.SUCCEEDED
    began = attempt.not_after > 0.0 and attempt.execute_id is None
    return began and not succeeded and attempt.firmware_state != IDLE
