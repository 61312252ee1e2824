"""One event at one device: a private copy of its record that the rules change, and the effects that follow.

The rules write to a transition and to nothing else, which keeps `decide` pure. All times come from the event, all ids
from its offset in `device-events`: the same event at the same record gives the same effects. Only the time that is
given for something to happen begins later than its event where that is decided on late. Leaves out what the steps do.
"""

from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from sluice_common.messages.device_events import (
    CommandOutcome,
    DeviceEvent,
    FirmwareStateNotified,
    UpgradeProgressReported,
)
from sluice_common.messages.execution_events import HistoryEntry, Reason, Step
from sluice_rules.devices.device import Device, Link
from sluice_rules.devices.effects import Effect
from sluice_rules.devices.execution import Execution
from sluice_rules.devices.judgements import DOWNLOADING
from sluice_rules.devices.rules import Rules
from sluice_rules.devices.snapshots import snapshot

SHOWN_AT_ONCE = frozenset({Step.AWAIT_ONLINE, Step.AWAIT_SLOT, Step.DOWNLOADING, Step.UPDATING, Step.RETRY_WAIT})
"""Steps that make a snapshot of their own. The others last as long as a device takes to answer: they stand in the
history, and in a snapshot when something else is to be shown or the answer stays away."""


class StepHandler:
    """What a step of an execution does when something happens: here nothing, each step overrides what is its own.

    `steps` has one for each step. Only answers to the awaited command and reports about the active execution come here.
    """

    def begin(self, transition: "Transition") -> None:
        """The step is entered."""

    def on_uplink(self, transition: "Transition") -> None:
        """The device can be reached."""

    def on_outcome(self, transition: "Transition", outcome: CommandOutcome) -> None:
        """The awaited command has ended."""

    def on_granted(self, transition: "Transition") -> None:
        """The attempt holds the slot that it has asked for."""

    def on_notified(self, transition: "Transition", state: int) -> None:
        """The device notified `/5/0/3`."""

    def on_version(self, transition: "Transition", version: str | None) -> None:
        """The MQTT device reported its firmware version, None for none that is one."""

    def on_progress(self, transition: "Transition", report: UpgradeProgressReported) -> None:
        """The MQTT device reported how its upgrade goes."""

    def on_working(self, transition: "Transition") -> None:
        """The MQTT device reported that it downloads or installs."""

    def on_served(self, transition: "Transition", *, complete: bool) -> None:
        """The MQTT device was served bytes of the image, or all of them."""

    def on_deadline(self, transition: "Transition") -> None:
        """The step's deadline passed."""


_UNKNOWN_STEP = StepHandler()


class Transition:
    """The working copy of one `decide`.

    Attributes:
        device: The record as it will be.
        event: What happened.
        offset: The event's place in `device-events`.
        rules: Figures.
        now: The event's time, seconds since 1970: whatever happened is judged by it, however late it is decided on.
        was_asleep: The device could not be reached before this event, as far as is known.
        effects: What follows, in order.
    """

    def __init__(
        self,
        device: Device,
        event: DeviceEvent,
        offset: int,
        rules: Rules,
        steps_of: Callable[[str], Mapping[Step, StepHandler]],
        *,
        decided_at: float = 0.0,
    ) -> None:
        self.device = copy(device)
        self.event = event
        self.offset = offset
        self.rules = rules
        self.now = event.at
        self._given_from = decided_at if decided_at - event.at > rules.late else event.at
        self.effects: list[Effect] = []
        self._steps_of = steps_of
        self._visible = False
        self.was_asleep = not self.awake
        if device.execution is not None:
            self.device.execution = copy(device.execution)
            self.device.execution.attempt = copy(device.execution.attempt)

    @property
    def execution(self) -> Execution:
        """The active execution.

        Raises:
            LookupError: There is none.
        """
        if self.device.execution is None:
            raise LookupError("no active execution")
        return self.device.execution

    @property
    def link(self) -> Link:
        """How the device is reached.

        Raises:
            LookupError: It has never registered.
        """
        if self.device.link is None:
            raise LookupError("never registered")
        return self.device.link

    def after(self, seconds: float) -> float:
        """Return when time that is given now is over, seconds since 1970.

        While the stage or Kafka was away, nobody was told anything: that time is not taken from what follows.
        """
        return self._given_from + seconds

    @property
    def is_late(self) -> bool:
        """Return whether the event is decided on late."""
        return self._given_from > self.now

    @property
    def awake(self) -> bool:
        """Return whether the device can be reached now."""
        return self.device.link is not None and self.device.link.awake_until > self.now

    @property
    def step(self) -> StepHandler:
        """The handler of the step that the active execution is in; nothing is done in one that a newer version wrote.

        Its deadline is told again and again, so that a version that knows the step goes on.
        """
        return self._steps_of(self.execution.product.protocol).get(self.execution.step, _UNKNOWN_STEP)

    def move(self, step: Step) -> None:
        """Put the active execution into a step, without acting for it."""
        execution = self.execution
        execution.step = step
        execution.redrives = 0
        execution.awaited = execution.not_sent = None
        execution.ends_at = execution.ask_at = 0.0
        retried = execution.verdict if step is Step.RETRY_WAIT else None
        self.note(step, retried.reason if retried else None)
        self._visible = self._visible or step in SHOWN_AT_ONCE

    def enter(self, step: Step) -> None:
        """Put the active execution into a step and let the step begin."""
        self.move(step)
        self.step.begin(self)

    def resume(self, step: Step, deadline: float) -> None:
        """Go back to waiting in a step of the same attempt."""
        self.move(step)
        self.execution.deadline = deadline

    def note(self, step: Step, reason: Reason | None) -> None:
        """Append to the history, which is bounded."""
        execution = self.execution
        kept = execution.history
        if len(kept) >= self.rules.max_history:
            kept = kept[:1] + kept[2:]
        entry = HistoryEntry(at=self.event.occurred_at, attempt=execution.attempt.number, step=step, reason=reason)
        execution.history = (*kept, entry)

    def see_awake(self, until: datetime | None) -> None:
        """Note until when the device can be reached, if the gateway said so."""
        if until is not None and until.timestamp() > self.link.awake_until:
            self.device.link = replace(self.link, awake_until=until.timestamp())

    def see_asleep(self) -> None:
        """Note that the device is out of reach until it speaks."""
        if self.awake:
            self.device.link = replace(self.link, awake_until=self.now)

    def see_online(self) -> None:
        """Note that an MQTT device has just sent something, whatever the broker says of its presence."""
        if not self.awake:
            gateway, epoch = (self.device.link.gateway, self.device.link.epoch) if self.device.link else (0, 0)
            self.device.link = Link(gateway, epoch, self.now + self.rules.online_after_message)

    def see_fetching(self, event: CommandOutcome | FirmwareStateNotified) -> None:
        """Note that the device has asked for a block of this attempt's image: its download has begun."""
        attempt = self.execution.attempt
        if event.fetching and event.attempt == attempt.number and attempt.uri_accepted:
            attempt.started = True

    def see_state(self, state: int) -> int | None:
        """Note the device's `/5/0/3`; return the one known before. A 1 that is new begins the download."""
        attempt = self.execution.attempt
        previous, attempt.firmware_state = attempt.firmware_state, state
        if state != attempt.state_before:
            attempt.state_before = None
            attempt.started = attempt.started or state == DOWNLOADING
        return previous

    def show_state(self, state: int) -> int | None:
        """Note the device's `/5/0/3` and show it if it is news; return the one known before."""
        previous = self.see_state(state)
        self._visible = self._visible or state != previous
        return previous

    def show(self) -> None:
        """Have a snapshot made of the active execution as it is at the end of this transition."""
        self._visible = True

    def show_if_late(self) -> None:
        """Have a snapshot made if the last one shows another step: the wait has become worth showing."""
        self._visible = self._visible or self.execution.shown != self.execution.step

    def publish_if_visible(self) -> None:
        """Make the snapshot that this transition has called for."""
        if self._visible and self.device.execution is not None:
            self.publish(self.device.execution)

    def publish(self, execution: Execution) -> None:
        """Make a snapshot of an execution, the active one or not."""
        execution.version += 1
        execution.shown = execution.step
        self.device.firmware_version = execution.reported_version or self.device.firmware_version
        traceparent = self.event.traceparent or execution.traceparent
        self.effects.append(snapshot(execution, self.device.device_id, self.event.occurred_at, traceparent))

    def head(self, app_id: str) -> dict[str, Any]:
        """Return what every message about this device begins with."""
        execution = self.device.execution
        return {
            "app_id": app_id,
            "occurred_at": self.event.occurred_at,
            "traceparent": self.event.traceparent or (execution.traceparent if execution is not None else None),
            "device_id": self.device.device_id,
        }

    def command_id(self) -> str:
        """Return the id of the command that this event causes."""
        execution = self.execution
        return f"{execution.execution_id}:{execution.attempt.number}:{self.offset}"
