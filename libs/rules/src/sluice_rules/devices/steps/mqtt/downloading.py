"""`DOWNLOADING` of MQTT devices: the offer, and the download as the platform serves it (R097–R099).

The slot is held while bytes flow or the device speaks, and goes back after a while without either. Going offline is no
failure: some clients cannot speak while they download, others restart. A device that may have lost its offer waits for
another slot and gets the offer again under that: of the same attempt, with the same end, so many times. Its token stays
good meanwhile: one that goes on by itself is served without a slot, and asks for one.
"""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands, slots
from sluice_rules.devices.attempt import SlotState
from sluice_rules.devices.judgements import DOWNLOADED, DOWNLOADING
from sluice_rules.devices.steps.mqtt.reports import ReportedStep, settle_by_version
from sluice_rules.devices.transition import Transition


class MqttDownloading(ReportedStep):
    """Offers the image and follows the download."""

    def begin(self, transition: Transition) -> None:
        """Offer, once per slot; the first offer of an attempt fixes the end of its token."""
        attempt = transition.execution.attempt
        lifetime = min(transition.rules.token_lifetime, transition.execution.policy.timeouts.mqtt_download)
        attempt.not_after = attempt.not_after or transition.after(lifetime)
        self.drive(transition)
        self.arm(transition)

    def drive(self, transition: Transition) -> None:
        """Offer."""
        mqtt_commands.offer_firmware(transition)

    def arm(self, transition: Transition) -> None:
        """Look again when the device has been idle for long, or when its token ends."""
        execution = transition.execution
        execution.deadline = min(transition.after(transition.rules.download_idle), execution.attempt.not_after)

    def on_working(self, transition: Transition) -> None:
        """The device is at work; one that has lost its slot asks for another."""
        transition.show_state(DOWNLOADING)
        self.arm(transition)
        attempt = transition.execution.attempt
        if attempt.slot is not SlotState.HELD and attempt.slot_yields <= transition.rules.max_slot_yields:
            slots.ask(transition)

    def on_served(self, transition: Transition, *, complete: bool) -> None:
        """Bytes flow, or the last one has left; what follows needs no slot."""
        transition.execution.attempt.slot_yields = 0
        if not complete:
            self.on_working(transition)
            return
        slots.release(transition)
        transition.show_state(DOWNLOADED)
        transition.enter(Step.UPDATING)

    def on_uplink(self, transition: Transition) -> None:
        """A device that has connected anew may have lost its offer, or have upgraded: see whether it begins, or ask."""
        execution, attempt = transition.execution, transition.execution.attempt
        if transition.link.epoch <= attempt.epoch:
            return
        if attempt.slot is SlotState.HELD and not attempt.started:
            execution.deadline = min(execution.deadline, transition.after(transition.rules.offer_again))
            return
        mqtt_commands.query_version(transition)
        if _is_idle(transition) and _may_be_offered_again(transition):
            transition.enter(Step.AWAIT_SLOT)

    def on_deadline(self, transition: Transition) -> None:
        """Give the slot of an idle device to another, and wait for one to offer again; at the token's end ask."""
        execution, attempt = transition.execution, transition.execution.attempt
        transition.show_if_late()
        if attempt.not_after <= transition.now:
            settle_by_version(transition, ReasonCode.DOWNLOAD_TIMEOUT)
            return
        attempt.slot_yields += attempt.slot is SlotState.HELD
        slots.release(transition)
        execution.deadline = attempt.not_after
        if transition.awake and _may_be_offered_again(transition):
            transition.enter(Step.AWAIT_SLOT)


def _may_be_offered_again(transition: Transition) -> bool:
    """Return whether the device may have lost its offer, and has not wasted too many slots since its last byte."""
    execution, attempt = transition.execution, transition.execution.attempt
    if execution.end_at <= transition.now:
        return False
    if transition.link.epoch > attempt.epoch:
        return attempt.slot_yields <= transition.rules.max_slot_yields
    return not attempt.started and attempt.slot_yields <= transition.rules.redrives


def _is_idle(transition: Transition) -> bool:
    """Return whether the device has lost its slot and not gone on since: only then it has all the time of its token."""
    execution, attempt = transition.execution, transition.execution.attempt
    return attempt.slot is SlotState.NONE and execution.deadline >= attempt.not_after
