"""What the stage `devices` counts of the events that it applies: figures for operators, by kinds and never by ids."""

from collections import Counter

from sluice_common.messages.device_events import DeviceEvent
from sluice_common.messages.execution_events import ExecutionChanged
from sluice_rules.devices.decide import Decision
from sluice_rules.devices.device import Device

_NONE = "none"
"""For an execution that has just begun or is over, and for one that ended without a reason."""


class EventCounts:
    """Counts since the process has started.

    Attributes:
        events: Events by kind.
        transitions: Executions by the steps before and after an event.
        ended: Executions that have ended, by status and code of the reason.
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.transitions: Counter[tuple[str, str]] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()

    def note(self, event: DeviceEvent, before: Device | None, decision: Decision) -> None:
        """Count an event and what it has changed."""
        self.events[str(event.__struct_config__.tag)] += 1
        if decision.device is before:
            return
        left, entered = _step(before), _step(decision.device)
        if left != entered:
            self.transitions[left, entered] += 1
        for effect in decision.effects:
            if isinstance(effect, ExecutionChanged) and effect.status.is_final:
                self.ended[effect.status.value, effect.reason.code.value if effect.reason else _NONE] += 1


def _step(device: Device | None) -> str:
    return _NONE if device is None or device.execution is None else device.execution.step.value
