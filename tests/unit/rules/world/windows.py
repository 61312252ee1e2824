"""Who gives slots: a stand-in that gives to everybody, or the real rules of the cell windows."""

from collections import defaultdict
from typing import Any, Protocol

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import CellRequest, ProbeDue, SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import (
    SlotGranted,
    SlotProbed,
)
from sluice_common.messages.slots import Grant, WindowKey
from sluice_rules.cells.admit import admit
from sluice_rules.cells.window import Window, WindowRules

LIMIT = 1
WINDOW_RULES = WindowRules(limit=LIMIT, begin_margin=2.0, probe_interval=300.0)


def head(now: float, device_id: str) -> dict[str, Any]:
    """What every event begins with."""
    return {"app_id": "app", "occurred_at": utc(now), "device_id": device_id}


class Windows(Protocol):
    """Who gives slots: a stand-in that gives to everybody, or the real rules."""

    def apply(self, request: CellRequest, now: float) -> list[SlotGranted | SlotProbed]:
        """Return what a request causes."""
        ...

    def due(self, now: float) -> list[SlotGranted | SlotProbed]:
        """Return the probes of those silent for long."""
        ...

    def holders(self) -> dict[WindowKey, set[Grant]]:
        """Return who holds a slot."""
        ...

    def restore(self) -> None:
        """Start again from what is stored."""


class UnlimitedWindows:
    """Gives a slot to whoever asks; for `decide` alone."""

    def __init__(self) -> None:
        self._held: dict[WindowKey, dict[Grant, tuple[SlotAsk, float]]] = defaultdict(dict)

    def apply(self, request: CellRequest, now: float) -> list[SlotGranted | SlotProbed]:
        """Grant an ask, take a return."""
        held = self._held[request.window]
        if isinstance(request, SlotAsk) and request.grant not in held:
            held[request.grant] = (request, now)
            return [SlotGranted(**head(now, request.device_id), window=request.window, grant=request.grant)]
        if isinstance(request, SlotReturn):
            held.pop(request.grant, None)
        return []

    def due(self, now: float) -> list[SlotGranted | SlotProbed]:
        """Probe those that hold a slot for long."""
        probes: list[SlotGranted | SlotProbed] = []
        for window, held in self._held.items():
            for grant, (ask, since) in list(held.items()):
                if now - since > WINDOW_RULES.probe_interval:
                    held[grant] = (ask, now)
                    probes.append(SlotProbed(**head(now, ask.device_id), window=window, grant=grant))
        return probes

    def holders(self) -> dict[WindowKey, set[Grant]]:
        """Return what was granted and not returned."""
        return {window: set(held) for window, held in self._held.items()}

    def restore(self) -> None:
        """Forget nothing."""


class AdmittingWindows:
    """The real rules of the cell windows."""

    def __init__(self) -> None:
        self._windows: dict[WindowKey, Window] = {}
        self._latest: dict[WindowKey, float] = {}

    def apply(self, request: CellRequest, now: float) -> list[SlotGranted | SlotProbed]:  # noqa: ARG002 - time is in it
        """Apply a request; no free slot is left beside a waiter that is awake (invariant 6)."""
        window = self._windows.setdefault(request.window, Window(request.window, WINDOW_RULES))
        before = len(window.holders)
        events = list(admit(window, request).events)
        # Who reads on from an older position may say once more that it holds what it has returned since: such a slot
        # is put back above the limit until the return is repeated too, and nothing is granted meanwhile.
        assert len(window.holders) <= max(LIMIT, before + isinstance(request, SlotHold)), "invariant 1"
        # A request that comes late finds asleep who was found asleep before, though it was awake at the request's time.
        latest = self._latest[request.window] = max(self._latest.get(request.window, 0.0), request.at)
        awake = [w for w in window.waiters.values() if w.awake_until >= latest + WINDOW_RULES.begin_margin]
        assert not (window.has_free_slot and awake)
        return events

    def due(self, now: float) -> list[SlotGranted | SlotProbed]:
        """Probe silent holders."""
        late = [
            ProbeDue(app_id="app", occurred_at=utc(now), window=key, grant=h.grant, deadline=h.deadline)
            for key, window in self._windows.items()
            for h in window.holders.values()
            if h.deadline <= now
        ]
        return [event for request in late for event in self.apply(request, now)]

    def restore(self) -> None:
        """Read the windows back from what is stored of them."""
        self._windows = {k: Window(k, WINDOW_RULES, w.entries) for k, w in self._windows.items()}

    def holders(self) -> dict[WindowKey, set[Grant]]:
        """Return who holds a slot."""
        return {key: {h.grant for h in window.holders.values()} for key, window in self._windows.items()}
