"""A cell of one slot as a discrete-event simulation over `admit`: pure, the same devices wait equally long again."""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import CellRequest, SlotAsk, SlotReturn
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_rules.cells.admit import admit
from sluice_rules.cells.window import Window, WindowRules

_KEY = WindowKey(network="default", cell_id=1, coverage_class=CoverageClass.LEVEL_2)
_RULES = WindowRules(limit=1, begin_margin=2.0, probe_interval=1e9)
_FOR_EVER = 1e9


@dataclass(frozen=True, slots=True)
class Asking:
    """A device that wants the slot once.

    Attributes:
        app_id: Its app.
        at: Seconds until it asks.
        name: Its execution.
        wake_every: Seconds between its wake-ups, at each of which it asks again; 0 for one that is awake.
        awake_for: Seconds for which it stays awake then.
    """

    app_id: str
    at: float
    name: str
    wake_every: float = 0.0
    awake_for: float = 0.0

    @property
    def kind(self) -> str:
        """Its app, and whether it sleeps."""
        return f"{self.app_id}, {'sleepers' if self.wake_every else 'awake'}"


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a device has waited, in seconds from its first ask to its grant."""

    asking: Asking
    seconds: float


def simulate(devices: Sequence[Asking], hold: float, seed: int, *, one_queue: bool = False) -> Sequence[Wait]:
    """Return what each device has waited, in the order of their grants.

    Args:
        devices: Who asks.
        hold: Seconds for which the slot is held, in the mean; each device differs by up to half of it.
        seed: Of these differences.
        one_queue: Whether all are taken for one app.
    """
    cell = _Cell(devices, hold, seed, one_queue=one_queue)
    cell.run()
    return cell.waits


class _Cell:
    def __init__(self, devices: Sequence[Asking], hold: float, seed: int, *, one_queue: bool) -> None:
        self.waits: list[Wait] = []
        self._waiting = {device.name: device for device in devices}
        self._hold = hold
        self._chance = random.Random(seed)
        self._one_queue = one_queue
        self._window = Window(_KEY, _RULES)
        self._asks = 0
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        for device in devices:
            self._later(device.at, partial(self._ask, device))

    def run(self) -> None:
        while self._waiting:
            now, _, do = heapq.heappop(self._heap)
            do(now)

    def _later(self, at: float, do: Callable[[float], None]) -> None:
        self._asks += 1
        heapq.heappush(self._heap, (at, self._asks, do))

    def _ask(self, device: Asking, now: float) -> None:
        if device.name not in self._waiting:
            return
        grant = Grant(execution_id=device.name, attempt=1, ask_no=self._asks)
        awake_until = now + (device.awake_for if device.wake_every else _FOR_EVER)
        ask = SlotAsk(
            app_id="all" if self._one_queue else device.app_id,
            occurred_at=utc(now),
            device_id=device.name,
            window=_KEY,
            grant=grant,
            awake_until=utc(awake_until),
        )
        if device.wake_every:
            self._later(now + device.wake_every, partial(self._ask, device))
        self._admit(ask, now)

    def _admit(self, request: CellRequest, now: float) -> None:
        for event in admit(self._window, request).events:
            device = self._waiting.pop(event.device_id)
            self.waits.append(Wait(device, now - device.at))
            self._later(now + self._hold * self._chance.uniform(0.5, 1.5), partial(self._end, event.grant))

    def _end(self, grant: Grant, now: float) -> None:
        ended = SlotReturn(app_id="", occurred_at=utc(now), device_id=grant.execution_id, window=_KEY, grant=grant)
        self._admit(ended, now)
