"""Counts the events that change nothing: delivered twice, late, or about something else; the log says how many.

Leaves out events that nobody understands: those go to `dead-letters`.
"""

from collections import Counter

from sluice_common.messages.device_events import DeviceEvent
from sluice_rules.devices.decide import Decision
from sluice_rules.devices.device import Device


class NoOpCounters:
    """Counts since the process has started, by kind of event."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, event: DeviceEvent, before: Device | None, decision: Decision) -> None:
        """Count an event if its decision leaves everything as it was."""
        if decision.device is before and not decision.effects:
            self._counts[str(event.__struct_config__.tag)] += 1

    def log_fields(self) -> dict[str, int]:
        """Return the counts as keywords of a log event."""
        return {f"ignored_{kind}": count for kind, count in sorted(self._counts.items())}
