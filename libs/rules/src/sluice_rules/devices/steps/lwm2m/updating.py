"""`UPDATING`: Execute, once per attempt, and the wait for the device to come back (R082, R083; invariant 5).

The one command id of the Execute stands in the record before the command can be answered; a repeat uses the same
id, and only after the gateway has said that it sent nothing, or a busy device that it did nothing. Everything else is
settled by reading, in `QUERY_RESULT`. Nothing is sent while the device may be restarting: a request lost in the reboot
holds up later ones.
"""

from sluice_common.messages.device_events import CommandOutcome, RequestResult
from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import Execute
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import lwm2m_commands
from sluice_rules.devices.completion import fail_by
from sluice_rules.devices.judgements import DOWNLOADED, DOWNLOADING, IDLE, NOT_SENT, UPDATING
from sluice_rules.devices.lwm2m_paths import STATE, UPDATE
from sluice_rules.devices.readings import integer, value_at
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition


class Updating(StepRules):
    """Tells the device to update and waits."""

    may_repeat = False

    def begin(self, transition: Transition) -> None:
        """Send the Execute; a device that updates, or has updated, by itself is not told."""
        execution, attempt = transition.execution, transition.execution.attempt
        attempt.update_by = transition.after(execution.policy.timeouts.update)
        self.arm(transition)
        attempt.execute_id = f"{execution.execution_id}:{attempt.number}:{transition.offset}"
        attempt.unsent = attempt.firmware_state == DOWNLOADED
        if attempt.unsent:
            self.drive(transition)

    def ends_at(self, transition: Transition) -> float:
        """Return when the result must be known: until then a busy device may be asked again."""
        return transition.execution.attempt.update_by

    def arm(self, transition: Transition) -> None:
        """Give the device the time to begin its update."""
        _give_time_to_begin(transition)

    def drive(self, transition: Transition) -> None:
        """Send the Execute under its one id, if the device is awake."""
        _execute(transition)

    def put_off(self, transition: Transition, results: tuple[RequestResult, ...]) -> bool:
        """Note that a busy device was not told to update."""
        is_put_off = super().put_off(transition, results)
        transition.execution.attempt.unsent |= is_put_off
        return is_put_off

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """A refusal ends the attempt; otherwise the device's state will tell."""
        if results and not results[0].ok:
            fail_by(transition, ReasonCode.UPDATE_REFUSED, results[0])

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """Note that nothing was sent, before any repeat."""
        execution = transition.execution
        if outcome.command_id != execution.attempt.execute_id:
            execution.awaited = None
            self._observed(transition, integer(value_at(outcome.results, STATE)))
            execute_if_unsent(transition)
            return
        execution.attempt.unsent = outcome.status in NOT_SENT
        super().on_outcome(transition, outcome)

    def _observed(self, transition: Transition, state: int | None) -> None:
        """The device was observed anew, and told its state like a notification."""
        if state is not None:
            self.on_notified(transition, state)

    def on_uplink(self, transition: Transition) -> None:
        """A device that registers is back, one that had fallen asleep may be; one that was not told is told now."""
        execution, attempt = transition.execution, transition.execution.attempt
        if attempt.unsent and execution.awaited is None:
            super().on_uplink(transition)
        elif transition.link.epoch > attempt.epoch or (transition.was_asleep and execution.awaited is None):
            transition.enter(Step.QUERY_RESULT)

    def on_notified(self, transition: Transition, state: int) -> None:
        """3 means that it has begun; 0, or 2 after 3, that it is over. Another 2 repeats what led here, 1 is late."""
        if state == DOWNLOADING:
            return
        previous = transition.show_state(state)
        if state == UPDATING:
            transition.execution.attempt.unsent = False
            transition.execution.ask_at = 0.0
            transition.execution.deadline = transition.execution.attempt.update_by
        elif state == IDLE or (state == DOWNLOADED and previous == UPDATING):
            transition.enter(Step.QUERY_RESULT)

    def on_deadline(self, transition: Transition) -> None:
        """Tell a device that was busy, or read where it is."""
        if transition.execution.ask_at:
            self.ask_again(transition)
        else:
            transition.enter(Step.QUERY_RESULT)


def execute_if_unsent(transition: Transition) -> None:
    """Send the Execute if the gateway has said, early or late, that it was not sent, and the device waits for it."""
    execution, attempt = transition.execution, transition.execution.attempt
    is_waited_for = attempt.unsent and attempt.firmware_state == DOWNLOADED and execution.ask_at <= transition.now
    if execution.step is Step.UPDATING and execution.awaited is None and is_waited_for:
        _execute(transition)


def _give_time_to_begin(transition: Transition) -> None:
    attempt = transition.execution.attempt
    start_by = transition.after(transition.execution.policy.timeouts.update_start)
    attempt.update_start_by = transition.execution.deadline = min(start_by, attempt.update_by)


def _execute(transition: Transition) -> None:
    attempt = transition.execution.attempt
    attempt.epoch = transition.link.epoch
    if transition.awake and attempt.execute_id is not None:
        attempt.unsent = False
        _give_time_to_begin(transition)  # from now on: it could not begin before it was told
        lwm2m_commands.send(transition, attempt.execute_id, Execute(path=UPDATE))
