"""`AWAIT_SLOT` of MQTT devices: the window of their task, so that a fleet does not fetch at the same second (R102).

A device that was given its offer, lost its slot by idling and may have lost its offer waits here again, to be given
it under another slot. Its token still holds: it may go on by itself, and its time is not prolonged.
"""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands
from sluice_rules.devices.device import SlotState
from sluice_rules.devices.steps.lwm2m.slot import AwaitSlot
from sluice_rules.devices.steps.mqtt.reports import ReportedStep
from sluice_rules.devices.transition import Turn


class MqttAwaitSlot(AwaitSlot, ReportedStep):
    """Waits as LwM2M's does, and hears what a device does that was given its offer already."""

    def arm(self, turn: Turn) -> None:
        """Look again after a while, at the task's end, and at the end of an offer."""
        super().arm(turn)
        if turn.execution.attempt.exposed:
            turn.execution.deadline = min(turn.execution.deadline, turn.execution.attempt.not_after)

    def moved(self, turn: Turn) -> None:
        """The device goes on without a further offer."""
        turn.move(Step.DOWNLOADING)
        turn.step.moved(turn)

    def on_granted(self, turn: Turn) -> None:
        """Offer the image."""
        turn.enter(Step.DOWNLOADING)

    def on_served(self, turn: Turn, *, complete: bool) -> None:
        """The device goes on without a further offer, and keeps its place in the queue."""
        turn.move(Step.DOWNLOADING)
        turn.step.on_served(turn, complete=complete)

    def on_deadline(self, turn: Turn) -> None:
        """Ask again, or end with the task or the offer."""
        attempt = turn.execution.attempt
        if attempt.exposed and attempt.not_after <= turn.now:
            attempt.doubt = ReasonCode.DOWNLOAD_TIMEOUT
            turn.enter(Step.QUERY_RESULT)
            return
        super().on_deadline(turn)
        if turn.device.execution is not None and turn.execution.step is Step.AWAIT_SLOT and not turn.awake:
            # Presence is a hint: a device that is wrongly held for offline, and quiet, would wait here for ever.
            mqtt_commands.query_version(turn, though_offline=True)

    def on_version(self, turn: Turn, version: str | None) -> None:
        """A device that answers is online, and a free slot is worth having now."""
        super().on_version(turn, version)
        waits = turn.device.execution is not None and turn.execution.step is Step.AWAIT_SLOT
        if waits and turn.execution.attempt.slot is not SlotState.ASKED:
            turn.ask_window()
