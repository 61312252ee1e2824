"""After the attempt: `CLOSING` (the fence) and `CANCEL_OBSERVE` (R085, D12)."""

from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.messages.lwm2m_commands import CancelObserve as CancelObserveRequest
from sluice_common.messages.lwm2m_commands import Write
from sluice_rules.devices.completion import end, give_back
from sluice_rules.devices.judgements import IDLE
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.version import PACKAGE_URI, STATE
from sluice_rules.devices.transition import Turn


class Closing(StepRules):
    """The image token is being revoked at the gateway; the slot waits for it, or for the token's end."""

    def begin(self, turn: Turn) -> None:
        """Close, until the gateway confirms or the token has ended by itself."""
        attempt = turn.execution.attempt
        token_end = attempt.not_after + turn.rules.clock_skew
        if turn.now >= token_end:
            self._closed(turn)
            return
        turn.execution.deadline = min(turn.now + turn.execution.policy.timeouts.close, token_end)
        turn.close_download(awaited=True)

    def on_outcome(self, turn: Turn, outcome: CommandOutcome) -> None:
        """Only a confirmation makes the fence; anything else leaves it to the deadline to try again."""
        if outcome.status is OutcomeStatus.DONE:
            self._closed(turn)

    def on_uplink(self, turn: Turn) -> None:
        """Remember that the device is within reach again."""
        turn.execution.attempt.recheck = True

    def on_deadline(self, turn: Turn) -> None:
        """Try again; the token's end bounds it."""
        turn.show_if_late()
        self.begin(turn)

    def _closed(self, turn: Turn) -> None:
        turn.execution.attempt.exposed = False
        give_back(turn)


class CancelObserve(StepRules):
    """Best effort: that the device cannot be reached is no failure of the upgrade.

    The gateway hears of it in any case and observes no more; a notification that comes later is rejected.
    """

    def begin(self, turn: Turn) -> None:
        """Cancel, and tell a device that may still be downloading to stop."""
        execution = turn.execution
        execution.deadline = turn.now + execution.policy.timeouts.cancel_observe
        requests: tuple[CancelObserveRequest | Write, ...] = (CancelObserveRequest(path=STATE),)
        if _may_be_downloading(turn):
            requests = (*requests, Write(path=PACKAGE_URI, value=""))
        turn.send(turn.command_id(), *requests)

    def on_outcome(self, turn: Turn, outcome: CommandOutcome) -> None:  # noqa: ARG002 - any outcome will do
        """Whatever it was, the execution ends."""
        end(turn)

    def on_uplink(self, turn: Turn) -> None:
        """The command is under way."""

    def on_deadline(self, turn: Turn) -> None:
        """Without an answer, too."""
        end(turn)


def _may_be_downloading(turn: Turn) -> bool:
    """Say whether the last attempt ended before its Execute and before the device's own verdict."""
    execution = turn.execution
    attempt, verdict = execution.attempt, execution.verdict
    succeeded = verdict is not None and verdict.status is ExecutionStatus.SUCCEEDED
    began = attempt.not_after > 0.0 and attempt.execute_id is None
    return began and not succeeded and attempt.firmware_state != IDLE
