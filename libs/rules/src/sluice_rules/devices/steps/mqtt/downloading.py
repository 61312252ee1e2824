"""`DOWNLOADING` of MQTT devices: the offer, and the download as the platform serves it (R097–R099).

The slot is held while bytes flow or the device speaks, and goes back after a while without either. Going offline is no
failure: some clients cannot speak while they download, others restart. A device that may have lost its offer waits for
another slot and gets the offer again under that: of the same attempt, with the same end, so many times. Its token stays
good meanwhile: one that goes on by itself is served without a slot, and asks for one.
"""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands
from sluice_rules.devices.device import SlotState
from sluice_rules.devices.judgements import DOWNLOADED, DOWNLOADING
from sluice_rules.devices.steps.mqtt.reports import ReportedStep
from sluice_rules.devices.transition import Turn


class MqttDownloading(ReportedStep):
    """Offers the image and follows the download."""

    def begin(self, turn: Turn) -> None:
        """Offer, once per slot; the first offer of an attempt fixes the end of its token."""
        attempt = turn.execution.attempt
        lifetime = min(turn.rules.token_lifetime, turn.execution.policy.timeouts.mqtt_download)
        attempt.not_after = attempt.not_after or turn.now + lifetime
        self.drive(turn)
        self.arm(turn)

    def drive(self, turn: Turn) -> None:
        """Offer."""
        mqtt_commands.offer_firmware(turn)

    def arm(self, turn: Turn) -> None:
        """Look again when the device has been idle for long, or when its token ends."""
        execution = turn.execution
        execution.deadline = min(turn.now + turn.rules.download_idle, execution.attempt.not_after)

    def moved(self, turn: Turn) -> None:
        """The device is at work; one that has lost its slot asks for another."""
        turn.show_state(DOWNLOADING)
        self.arm(turn)
        attempt = turn.execution.attempt
        if attempt.slot is not SlotState.HELD and attempt.surrenders <= turn.rules.surrenders:
            turn.ask_window()

    def on_served(self, turn: Turn, *, complete: bool) -> None:
        """Bytes flow, or the last one has left; what follows needs no slot."""
        turn.execution.attempt.surrenders = 0
        if not complete:
            self.moved(turn)
            return
        turn.release_slot()
        turn.show_state(DOWNLOADED)
        turn.enter(Step.UPDATING)

    def on_uplink(self, turn: Turn) -> None:
        """A device that has connected anew may have lost its offer, or have upgraded: see whether it begins, or ask."""
        execution, attempt = turn.execution, turn.execution.attempt
        if turn.link.epoch <= attempt.epoch:
            return
        if attempt.slot is SlotState.HELD and not attempt.started:
            execution.deadline = min(execution.deadline, turn.now + turn.rules.offer_again)
            return
        mqtt_commands.query_version(turn)
        if _is_idle(turn) and _may_be_offered_again(turn):
            turn.enter(Step.AWAIT_SLOT)

    def on_deadline(self, turn: Turn) -> None:
        """Give the slot of an idle device to another, and wait for one to offer again; at the token's end ask."""
        execution, attempt = turn.execution, turn.execution.attempt
        turn.show_if_late()
        if attempt.not_after <= turn.now:
            attempt.doubt = ReasonCode.DOWNLOAD_TIMEOUT
            turn.enter(Step.QUERY_RESULT)
            return
        attempt.surrenders += attempt.slot is SlotState.HELD
        turn.release_slot()
        execution.deadline = attempt.not_after
        if turn.awake and _may_be_offered_again(turn):
            turn.enter(Step.AWAIT_SLOT)


def _may_be_offered_again(turn: Turn) -> bool:
    """Say whether the device may have lost its offer, and has not wasted too many slots since its last byte."""
    execution, attempt = turn.execution, turn.execution.attempt
    if execution.end_at <= turn.now:
        return False
    if turn.link.epoch > attempt.epoch:
        return attempt.surrenders <= turn.rules.surrenders
    return not attempt.started and attempt.surrenders <= turn.rules.redrives


def _is_idle(turn: Turn) -> bool:
    """Say whether the device has lost its slot and not gone on since: only then it has all the time of its token."""
    execution, attempt = turn.execution, turn.execution.attempt
    return attempt.slot is SlotState.NONE and execution.deadline >= attempt.not_after
