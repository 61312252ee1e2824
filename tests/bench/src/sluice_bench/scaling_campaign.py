"""A campaign in one cell as a discrete-event simulation over the rules themselves, `decide` and `admit`.

What is left out: loss, failures, retries, and the time that Sluice itself takes beyond `hop` seconds a message. Pure:
the same profiles give the same campaign.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from sluice_bench.scaling_device import TARGET, Profile, SimulatedDevice
from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import DeadlinePassed, DeviceEvent, ExecutionRequested
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus
from sluice_common.messages.slots import CoverageClass, WindowKey
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_rules.cells.admit import admit
from sluice_rules.cells.window import Ticket, Window, WindowRules, ticket_of
from sluice_rules.devices.decide import decide
from sluice_rules.devices.device import Deadline, Device, deadlines
from sluice_rules.devices.effects import Effect, ToGateway
from sluice_rules.devices.rules import Rules

START = 1_800_000_000.0
LIMITS = {CoverageClass.LEVEL_0: 50, CoverageClass.LEVEL_1: 10, CoverageClass.LEVEL_2: 1}
HOP = 0.1
"""Seconds that a message takes from one process to the next."""
_AGAIN = 30.0
_TASK = "task"
_LONGEST = 30 * 86_400.0


@dataclass
class CampaignResult:
    """What came of a campaign; all times in seconds after its request.

    Attributes:
        ended: When each device had succeeded, by class.
        held: How long each slot was held, by class.
        max_held: Most slots that were held at once, by class.
        events: Events that the rules took.
        record_bytes: Size of the largest record of a device.
        others: Executions that ended otherwise.
    """

    ended: dict[CoverageClass, list[float]] = field(default_factory=lambda: defaultdict(list))
    held: dict[CoverageClass, list[float]] = field(default_factory=lambda: defaultdict(list))
    max_held: dict[CoverageClass, int] = field(default_factory=lambda: defaultdict(int))
    events: int = 0
    record_bytes: int = 0
    others: int = 0

    def makespan(self, coverage: CoverageClass | None = None) -> float:
        """Return when the last device had ended, of one class or of all."""
        return max((at for c, ends in self.ended.items() if coverage in (None, c) for at in ends), default=0.0)


class Campaign:
    """One task for the devices of one cell.

    Args:
        profiles: Its devices.
        limits: Slots of each class.
        hop: Seconds that a message takes.
    """

    def __init__(
        self, profiles: Sequence[Profile], limits: Mapping[CoverageClass, int] = LIMITS, hop: float = HOP
    ) -> None:
        self.now = START
        self.result = CampaignResult()
        self._hop = hop
        self._limits = limits
        self._rules = Rules()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._records: dict[str, Device | None] = {}
        self._scheduled: dict[str, set[Deadline]] = defaultdict(set)
        self._windows: dict[WindowKey, Window] = {}
        self._granted_at: dict[Ticket, float] = {}
        self._devices = {f"d{n}": SimulatedDevice(f"d{n}", profile, self) for n, profile in enumerate(profiles)}
        self._left = len(profiles)

    def run(self) -> CampaignResult:
        """Run until every device has ended.

        Raises:
            RuntimeError: They have not within a month.
        """
        for device in self._devices.values():
            device.begin()
            self.report(_requested(device.device_id, self.now))
        while self._left:
            self.now, _, do = heapq.heappop(self._heap)
            if self.now > START + _LONGEST:
                raise RuntimeError("the campaign does not end")
            do()
        return self.result

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something later."""
        self._sequence += 1
        heapq.heappush(self._heap, (self.now + seconds, self._sequence, do))

    def report(self, event: DeviceEvent) -> None:
        """Hand an event to the rules, a hop later."""
        self.after(self._hop, lambda: self._decide(event))

    def _decide(self, event: DeviceEvent) -> None:
        self._sequence += 1
        self.result.events += 1
        name = event.device_id
        decision = decide(self._records.get(name), event, self._sequence, self._rules)
        if decision.device is not self._records.get(name):
            self._records[name] = decision.device
            self.result.record_bytes = max(self.result.record_bytes, len(msgspec.msgpack.encode(decision.device)))
        for effect in decision.effects:
            self._do(effect)
        if decision.device is not None:
            self._follow(decision.device)

    def _do(self, effect: Effect) -> None:
        match effect:
            case ToGateway(command=command):
                self.after(self._hop, lambda: self._devices[command.device_id].take(command))
            case SlotAsk() | SlotReturn() | SlotHold():
                self.after(self._hop, lambda: self._admit(effect))
            case ExecutionChanged(status=ExecutionStatus.SUCCEEDED):
                profile = self._devices[effect.device_id].profile
                self.result.ended[profile.coverage].append(self.now - START)
                self._left -= 1
            case ExecutionChanged() if effect.status.is_final:
                self.result.others += 1
                self._left -= 1
            case _:
                pass

    def _admit(self, request: SlotAsk | SlotReturn | SlotHold) -> None:
        key = request.window
        window = self._windows.setdefault(key, Window(key, WindowRules(self._limits[key.coverage_class], 2.0, 300.0)))
        before = set(window.holders)
        now_request = msgspec.structs.replace(request, occurred_at=utc(self.now))
        for event in admit(window, now_request).events:
            self.report(event)
        for ticket in before - set(window.holders):
            self.result.held[key.coverage_class].append(self.now - self._granted_at.pop(ticket))
        for holder in window.holders.values():
            self._granted_at.setdefault(ticket_of(holder.grant), self.now)
        most = max(self.result.max_held[key.coverage_class], len(window.holders))
        self.result.max_held[key.coverage_class] = most

    def _follow(self, record: Device) -> None:
        """Publish the record's deadlines when they have passed, as the stage's timer does."""
        scheduled = self._scheduled[record.device_id]
        for deadline in set(deadlines(record)) - scheduled:
            scheduled.add(deadline)
            seconds = deadline.at - self.now if deadline.at > self.now else _AGAIN
            self.after(seconds, partial(self._pass, record.device_id, deadline))

    def _pass(self, device_id: str, deadline: Deadline) -> None:
        self._scheduled[device_id].discard(deadline)
        record = self._records.get(device_id)
        if record is not None and deadline in deadlines(record):
            self.report(
                DeadlinePassed(
                    app_id=deadline.app_id,
                    occurred_at=utc(self.now),
                    device_id=device_id,
                    subject=deadline.subject,
                    attempt=deadline.attempt,
                    step=deadline.step,
                    deadline=deadline.at,
                )
            )


def _requested(device_id: str, now: float) -> ExecutionRequested:
    return ExecutionRequested(
        app_id="app",
        occurred_at=utc(now),
        device_id=device_id,
        execution_id=f"{_TASK}:{device_id}",
        task_id=_TASK,
        product=ProductSnapshot(product_id="p"),
        package=PackageSnapshot(package_id="k", version=TARGET, image_id="i", image_size=1, image_sha256="ab"),
        policy=UpgradePolicy(),
        created_at=utc(now),
    )
