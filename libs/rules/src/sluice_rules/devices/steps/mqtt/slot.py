"""`AWAIT_SLOT` of MQTT devices: the window of their task, so that a fleet does not fetch at the same second (R102).

A device that was given its offer, lost its slot by idling and may have lost its offer waits here again, to be given
it under another slot. Its token still holds: it may go on by itself, and its time is not prolonged.
"""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands, slots
from sluice_rules.devices.attempt import SlotState
from sluice_rules.devices.steps.mqtt.reports import ReportedStep, settle_by_version
from sluice_rules.devices.steps.slot import AwaitSlot
from sluice_rules.devices.transition import Transition


class MqttAwaitSlot(AwaitSlot, ReportedStep):
    """Waits as LwM2M's does, and hears what a device does that was given its offer already."""

    def arm(self, transition: Transition) -> None:
        """Look again after a while, at the task's end, and at the end of an offer."""
        super().arm(transition)
        if transition.execution.attempt.needs_fence:
            transition.execution.deadline = min(transition.execution.deadline, transition.execution.attempt.not_after)

    def on_working(self, transition: Transition) -> None:
        """The device goes on without a further offer."""
        transition.move(Step.DOWNLOADING)
        transition.step.on_working(transition)

    def on_granted(self, transition: Transition) -> None:
        """Offer the image."""
        transition.enter(Step.DOWNLOADING)

    def on_served(self, transition: Transition, *, complete: bool) -> None:
        """The device goes on without a further offer, and keeps its place in the queue."""
        transition.move(Step.DOWNLOADING)
        transition.step.on_served(transition, complete=complete)

    def on_deadline(self, transition: Transition) -> None:
        """Ask again, or end with the task or the offer."""
        attempt = transition.execution.attempt
        if attempt.needs_fence and attempt.not_after <= transition.now:
            settle_by_version(transition, ReasonCode.DOWNLOAD_TIMEOUT)
            return
        super().on_deadline(transition)
        if (
            transition.device.execution is not None
            and transition.execution.step is Step.AWAIT_SLOT
            and not transition.awake
        ):
            # Presence is a hint: a device that is wrongly held for offline, and quiet, would wait here for ever.
            mqtt_commands.query_version(transition, though_offline=True)

    def on_version(self, transition: Transition, version: str | None) -> None:
        """A device that answers is online, and a free slot is worth having now."""
        super().on_version(transition, version)
        waits = transition.device.execution is not None and transition.execution.step is Step.AWAIT_SLOT
        if waits and transition.execution.attempt.slot is not SlotState.ASKED:
            slots.ask(transition)
