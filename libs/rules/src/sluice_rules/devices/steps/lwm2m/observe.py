"""`OBSERVE`: observe `/5/0/3` and write the Package URI, in one command (R078, R079).

One command saves an event and a wake. From here on a Package URI may be with the device, whatever the gateway
answers: the slot is returned only after a fence or the device's own verdict.
"""

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus, RequestResult
from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import Observe as ObserveRequest
from sluice_common.messages.lwm2m_commands import Write, WritePackageUri
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import lwm2m_commands
from sluice_rules.devices.completion import fail, yield_slot
from sluice_rules.devices.judgements import DOWNLOADED, DOWNLOADING, IDLE
from sluice_rules.devices.readings import integer, value_at
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.version import PACKAGE_URI, STATE
from sluice_rules.devices.transition import Transition


class Observe(StepRules):
    """A grantee that does not answer soon gives its slot to somebody else."""

    def begin(self, transition: Transition) -> None:
        """Fix the end of the image token and ask."""
        transition.execution.attempt.not_after = transition.now + transition.execution.policy.timeouts.download
        self.drive(transition)

    def drive(self, transition: Transition) -> None:
        """Ask; a registration that has changed meanwhile gets the same URI again."""
        self._ask(transition, ObserveRequest(path=STATE))

    def on_outcome(self, transition: Transition, outcome: CommandOutcome) -> None:
        """If the URI was too late to be sent, that says nothing about the device: it may ask again at once, once."""
        attempt = transition.execution.attempt
        is_partial = outcome.status is OutcomeStatus.TIMEOUT and bool(outcome.results)
        attempt.ask_at_once = (is_partial or outcome.status is OutcomeStatus.STALE) and not attempt.slot_yields
        super().on_outcome(transition, outcome)

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """Go on when the URI is accepted."""
        *before, last = results or (RequestResult(path=PACKAGE_URI, code=""),)
        if last.ok and before:
            transition.enter(Step.DOWNLOADING)
        elif before:
            self._refused(transition, integer(value_at(results, STATE)), last.code)
        elif last.path == STATE:
            fail(transition, ReasonCode.OBSERVE_FAILED, code=last.code)
        else:
            fail(transition, ReasonCode.PACKAGE_URI_REFUSED, code=last.code)

    def unanswered(self, transition: Transition) -> None:
        """The device is out of reach."""
        yield_slot(transition)

    def on_deadline(self, transition: Transition) -> None:
        """Silence costs the slot, not a retry."""
        yield_slot(transition)

    def on_notified(self, transition: Transition, state: int) -> None:
        """A device that works has accepted the URI, though its answer is lost or late."""
        if state != IDLE:
            transition.enter(Step.DOWNLOADING)
            transition.step.on_notified(transition, state)

    def _refused(self, transition: Transition, state: int | None, code: str) -> None:
        """Reset a device that is still busy with something older, once; that is no fault of this image."""
        attempt = transition.execution.attempt
        if state in (DOWNLOADING, DOWNLOADED) and not attempt.reset:
            attempt.reset = True
            self._ask(transition, Write(path=PACKAGE_URI, value=""))
        else:
            fail(transition, ReasonCode.PACKAGE_URI_REFUSED, code=code)

    def _ask(self, transition: Transition, first: ObserveRequest | Write) -> None:
        execution = transition.execution
        timeouts = execution.policy.timeouts
        execution.deadline = transition.now + min(timeouts.slot_response, timeouts.observe)
        execution.observed = execution.attempt.needs_fence = True
        execution.attempt.epoch = transition.link.epoch
        uri = WritePackageUri(
            image_id=execution.package.image_id,
            image_size=execution.package.image_size,
            not_after=utc(execution.attempt.not_after),
        )
        lwm2m_commands.ask(transition, first, uri)
