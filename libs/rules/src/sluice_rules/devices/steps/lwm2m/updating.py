"""`UPDATING`: Execute, once per attempt, and the wait for the device to come back (R082, R083; invariant 5).

The one command id of the Execute stands in the record before the command can be answered; a repeat uses the same
id, and only after the gateway has said that it sent nothing. Everything else is settled by reading, in
`QUERY_RESULT`. Nothing is sent while the device may be restarting: a request lost in the reboot holds up later ones.
"""

from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus, RequestResult
from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import Execute
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import lwm2m_commands
from sluice_rules.devices.completion import fail
from sluice_rules.devices.judgements import DOWNLOADED, IDLE, UPDATING
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition

UPDATE = "/5/0/2"


class Updating(StepRules):
    """Tells the device to update and waits."""

    def begin(self, transition: Transition) -> None:
        """Send the Execute; a device that updates by itself is only awaited."""
        execution, attempt = transition.execution, transition.execution.attempt
        timeouts = execution.policy.timeouts
        attempt.update_by = transition.now + timeouts.update
        attempt.update_start_by = min(transition.now + timeouts.update_start, attempt.update_by)
        execution.deadline = attempt.update_start_by
        attempt.execute_id = f"{execution.execution_id}:{attempt.number}:{transition.offset}"
        attempt.unsent = attempt.firmware_state != UPDATING
        if attempt.unsent:
            self.drive(transition)

    def drive(self, transition: Transition) -> None:
        """Send the Execute under its one id, if the device is awake."""
        attempt = transition.execution.attempt
        attempt.epoch = transition.link.epoch
        if transition.awake and attempt.execute_id is not None:
            attempt.unsent = False
            lwm2m_commands.send(transition, attempt.execute_id, Execute(path=UPDATE))

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """A refusal ends the attempt; otherwise the device's state will tell."""
        if results and not results[0].ok:
            fail(transition, ReasonCode.UPDATE_REFUSED, code=results[0].code)

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """Note that nothing was sent, before any repeat."""
        transition.execution.attempt.unsent = outcome.status in (OutcomeStatus.ASLEEP, OutcomeStatus.STALE)
        super().on_outcome(transition, outcome)

    def on_uplink(self, transition: Transition) -> None:
        """A device that registers is back, one that had fallen asleep may be; one that was not told is told now."""
        attempt, is_answered = transition.execution.attempt, transition.execution.awaited is None
        if attempt.unsent and is_answered:
            self.drive(transition)
        elif transition.link.epoch > attempt.epoch or (transition.was_asleep and is_answered):
            transition.enter(Step.QUERY_RESULT)

    def on_notified(self, transition: Transition, state: int) -> None:
        """3 means that it has begun; 0, or 2 after 3, that it is over. Another 2 repeats what led here."""
        previous = transition.show_state(state)
        if state == UPDATING:
            transition.execution.deadline = transition.execution.attempt.update_by
        elif state == IDLE or (state == DOWNLOADED and previous == UPDATING):
            transition.enter(Step.QUERY_RESULT)

    def on_deadline(self, transition: Transition) -> None:
        """Read where the device is."""
        transition.enter(Step.QUERY_RESULT)
