"""`OBSERVE`: observe `/5/0/3` and write the Package URI, in one command (R078, R079).

One command saves an event and a wake. Between the two `/5/0/5` is read: a result that is there before the URI is an
older update's, and only who knows it can tell at once when a device that flashes by its states has failed; one small
read per attempt, beside the hundreds of blocks that follow. From the URI on it may be with the device, whatever the
gateway answers: the slot is returned only after a fence or the device's own verdict.
"""

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus, RequestResult
from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import Observe as ObserveRequest
from sluice_common.messages.lwm2m_commands import Read, Write, WritePackageUri
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import lwm2m_commands
from sluice_rules.devices.attempt import Attempt
from sluice_rules.devices.completion import fail_by, yield_slot
from sluice_rules.devices.judgements import IDLE, NOT_TOLD
from sluice_rules.devices.lwm2m_paths import RESULT, STATE
from sluice_rules.devices.readings import integer, value_at
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.reset import next_reset
from sluice_rules.devices.transition import Transition


class Observe(StepRules):
    """A grantee that does not answer soon gives its slot to somebody else."""

    def timeout(self, transition: Transition) -> float:
        """Return the time that a device has that is busy."""
        return transition.execution.policy.timeouts.observe

    def begin(self, transition: Transition) -> None:
        """Fix the end of the image token and ask."""
        attempt = transition.execution.attempt
        attempt.not_after = transition.after(transition.execution.policy.timeouts.download)
        attempt.observed_epoch = -1
        attempt.resetting = False
        attempt.notified_state = None
        super().begin(transition)

    def arm(self, transition: Transition) -> None:
        """Give the device the time that a slot may stand still; one that registers again and again has an end, too."""
        execution = transition.execution
        timeouts = execution.policy.timeouts
        answered_by = transition.after(min(timeouts.slot_response, timeouts.observe))
        execution.ends_at = execution.ends_at or transition.after(timeouts.observe)
        if transition.is_late:
            execution.ends_at = max(execution.ends_at, answered_by)
        execution.deadline = min(answered_by, execution.ends_at)

    def drive(self, transition: Transition) -> None:
        """Ask for what is missing; a registration that has changed meanwhile gets the same URI again."""
        attempt = transition.execution.attempt
        attempt.resetting = False
        missing: list[ObserveRequest | Read] = []
        if attempt.observed_epoch != transition.link.epoch:
            missing.append(ObserveRequest(path=STATE))
        if attempt.result_before is None:
            missing.append(Read(path=RESULT))
        self._ask(transition, *missing)

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """If the URI was too late to be sent, that says nothing about the device: it may ask again at once, once."""
        attempt = transition.execution.attempt
        is_partial = outcome.status is OutcomeStatus.TIMEOUT and bool(outcome.results)
        attempt.ask_at_once = (is_partial or outcome.status is OutcomeStatus.STALE) and not attempt.slot_yields
        _note_before(attempt, outcome.results)
        super().on_outcome(transition, outcome)

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """Go on when the URI is accepted."""
        attempt = transition.execution.attempt
        last = results[-1] if results else RequestResult(path=STATE, code="")
        if attempt.resetting and len(results) == 1 and not last.ok:
            self._refused(transition)
        elif last.path == STATE and attempt.observed_epoch == attempt.epoch:
            attempt.state_before = NOT_TOLD if attempt.state_before is None else attempt.state_before
            self._refused(transition)
        elif last.path == STATE:
            fail_by(transition, ReasonCode.OBSERVE_FAILED, last)
        elif last.path == RESULT:
            attempt.result_before = NOT_TOLD
            self.drive(transition)
        elif last.ok:
            self._accepted(transition)
        elif last.max_age is not None:
            fail_by(transition, ReasonCode.PACKAGE_URI_REFUSED, last)
        else:
            attempt.refused = last
            self._refused(transition)

    def unanswered(self, transition: Transition) -> None:
        """The device is out of reach."""
        self._gone(transition)

    def on_deadline(self, transition: Transition) -> None:
        """Silence costs the slot, not a retry; a gateway that is gone costs neither."""
        execution = transition.execution
        awaited = execution.awaited
        has_registered_anew = awaited is not None and awaited.epoch < transition.link.epoch
        if execution.ask_at:
            self.ask_again(transition)
        elif has_registered_anew and transition.now < self.ends_at(transition):
            self.drive(transition)
        else:
            self._gone(transition)

    def on_notified(self, transition: Transition, state: int) -> None:
        """What the device does may be the URI's doing or older: the answer, or its absence, tells."""
        attempt = transition.execution.attempt
        attempt.notified_state = attempt.firmware_state = state
        transition.show()

    def _gone(self, transition: Transition) -> None:
        """A device that works has accepted the URI, though its answer is lost or late."""
        attempt = transition.execution.attempt
        if attempt.notified_state in (None, IDLE, attempt.state_before):
            yield_slot(transition)
        else:
            self._accepted(transition)

    def _accepted(self, transition: Transition) -> None:
        """What was notified before the URI's answer counts from here on, but for work that was there before the URI."""
        attempt = transition.execution.attempt
        notified, attempt.uri_accepted = attempt.notified_state, True
        is_idle_again = notified == IDLE and not attempt.resetting  # a reset device is idle by the reset
        if attempt.resetting:
            attempt.state_before = attempt.firmware_state = IDLE
            attempt.result_before = 0
        transition.enter(Step.DOWNLOADING)
        if notified is not None and (is_idle_again or notified != attempt.state_before):
            transition.step.on_notified(transition, notified)

    def _refused(self, transition: Transition) -> None:
        """Reset a device that is still busy with something older; that is no fault of this image.

        One that accepted to be observed without telling its state is asked for it first: only now it matters.
        """
        attempt = transition.execution.attempt
        attempt.resets += attempt.resetting
        if attempt.firmware_state is None and attempt.state_before is None:
            self.arm(transition)
            lwm2m_commands.ask(transition, Read(path=STATE))
            return
        reset = next_reset(attempt)
        if reset is None:
            fail_by(transition, ReasonCode.PACKAGE_URI_REFUSED, attempt.refused)
            return
        attempt.resetting = True
        self._ask(transition, reset)

    def _ask(self, transition: Transition, *first: ObserveRequest | Read | Write) -> None:
        execution = transition.execution
        self.arm(transition)
        execution.observed = execution.attempt.needs_fence = True
        execution.attempt.epoch = transition.link.epoch
        if transition.awake and transition.link.gateway not in execution.attempt.opened_at:
            execution.attempt.opened_at += (transition.link.gateway,)
        uri = WritePackageUri(
            image_id=execution.package.image_id,
            image_size=execution.package.image_size,
            not_after=utc(execution.attempt.not_after),
        )
        lwm2m_commands.ask(transition, *first, uri)


def _note_before(attempt: Attempt, results: tuple[RequestResult, ...]) -> None:
    """Note what the device tells before it is given the URI."""
    for result in results:
        if result.path == STATE and result.ok:
            attempt.observed_epoch = attempt.epoch
            attempt.state_before = integer(value_at(results, STATE))
            attempt.firmware_state = attempt.state_before if attempt.notified_state is None else attempt.notified_state
        elif result.path == RESULT and result.max_age is None:
            value = integer(value_at(results, RESULT))
            attempt.result_before = NOT_TOLD if value is None else value
