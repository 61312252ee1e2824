"""`DOWNLOADING` of MQTT devices: the offer, and the download as the platform serves it (R097–R099).

The slot is held while bytes flow or the device speaks. Going offline is no failure: some clients cannot speak while
they download, others restart. A device that has connected anew and fetches nothing may have lost its offer and gets
another one, of the same attempt and the same end; so does, once, one that never began.
"""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_scheduler.domain import mqtt
from sluice_scheduler.domain.device import SlotState
from sluice_scheduler.domain.judgements import DOWNLOADED, DOWNLOADING
from sluice_scheduler.domain.steps.mqtt.reports import ReportedStep
from sluice_scheduler.domain.turn import Turn


class MqttDownloading(ReportedStep):
    """Offers the image and follows the download."""

    def begin(self, turn: Turn) -> None:
        """Offer; the first offer of an attempt fixes the end of its token."""
        attempt = turn.execution.attempt
        lifetime = min(turn.rules.token_lifetime, turn.execution.policy.timeouts.mqtt_download)
        attempt.not_after = attempt.not_after or turn.now + lifetime
        self.drive(turn)
        self.arm(turn)

    def drive(self, turn: Turn) -> None:
        """Offer."""
        mqtt.offer_firmware(turn)

    def arm(self, turn: Turn) -> None:
        """Look again when the device has been idle for long, or when its token ends."""
        execution = turn.execution
        execution.deadline = min(turn.now + turn.rules.download_idle, execution.attempt.not_after)

    def moved(self, turn: Turn) -> None:
        """The device is at work."""
        turn.show_state(DOWNLOADING)
        self.arm(turn)

    def on_served(self, turn: Turn, *, complete: bool) -> None:
        """Bytes flow, or the last one has left; what follows needs no slot."""
        self.moved(turn)
        if complete:
            turn.release_slot()
            turn.show_state(DOWNLOADED)
            turn.enter(Step.UPDATING)

    def on_uplink(self, turn: Turn) -> None:
        """A device that has connected anew may have lost its offer, or have upgraded: see whether it begins, or ask."""
        execution, attempt = turn.execution, turn.execution.attempt
        if turn.link.epoch <= attempt.epoch:
            return
        if _may_have_missed(turn):
            execution.deadline = min(execution.deadline, turn.now + turn.rules.offer_again)
            return
        mqtt.query_version(turn)
        if _is_idle(turn):
            turn.enter(Step.AWAIT_SLOT)

    def on_deadline(self, turn: Turn) -> None:
        """Offer again, or give the slot of an idle device to another; at the token's end ask for the version."""
        execution, attempt = turn.execution, turn.execution.attempt
        turn.show_if_late()
        if attempt.not_after <= turn.now:
            attempt.doubt = ReasonCode.DOWNLOAD_TIMEOUT
            turn.enter(Step.QUERY_RESULT)
            return
        has_reconnected = turn.awake and turn.link.epoch > attempt.epoch
        may_repeat = has_reconnected or (turn.awake and execution.redrives < turn.rules.redrives)
        if _may_have_missed(turn) and may_repeat:
            execution.redrives += not has_reconnected
            self.drive(turn)
            self.arm(turn)
            return
        turn.release_slot()
        execution.deadline = attempt.not_after
        if has_reconnected:
            turn.enter(Step.AWAIT_SLOT)


def _may_have_missed(turn: Turn) -> bool:
    """Say whether the device has shown no sign of its offer, although it may still begin at once."""
    attempt = turn.execution.attempt
    return attempt.slot is SlotState.HELD and not attempt.started


def _is_idle(turn: Turn) -> bool:
    """Say whether the device has lost its slot and not gone on since: only then it has all the time of its token."""
    execution, attempt = turn.execution, turn.execution.attempt
    return attempt.slot is not SlotState.HELD and execution.deadline >= attempt.not_after
