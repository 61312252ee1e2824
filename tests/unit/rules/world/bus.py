"""The stage `devices` as a model, and the bus to and from it: it drops, doubles and reorders between its sources.

The stage dies in mid-chunk and reads on from an older position. Leaves out devices and their gateway.
"""

from abc import ABC, abstractmethod
from collections import defaultdict, deque

import msgspec
from tests.unit.rules.world.devices import Attempt
from tests.unit.rules.world.windows import Windows, head

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import CellRequest, SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import (
    DeadlinePassed,
    DeviceEvent,
    ExecutionRequested,
    ExecutionStopRequested,
)
from sluice_common.messages.execution_events import DeviceFirmwareChanged, ExecutionChanged, ExecutionEvent
from sluice_common.messages.slots import WindowKey
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_rules.devices.decide import decide
from sluice_rules.devices.device import Device as Record
from sluice_rules.devices.device import deadlines
from sluice_rules.devices.effects import Effect, ToGateway, ToMqtt
from sluice_rules.devices.rules import Rules

RULES = Rules(max_slot_yields=3)


class Bus(ABC):
    """Events of one partition, what `decide` makes of them, and who takes that.

    Attributes:
        now: Seconds since 1970.
        log: All events, in their order.
        position: Where the stage reads on.
        reached: How far it has been.
        records: What the stage has saved.
        unchecked: Devices whose record was saved since somebody looked.
        sources: What is on its way to the log.
        requests: What is on its way to the windows.
        snapshots: What readers see: of every execution every version.
        requested: Executions that were requested or stopped.
        window_of: Where each attempt has asked for a slot last.
    """

    product: ProductSnapshot

    def __init__(self, windows: Windows) -> None:
        self.now = 1_800_000_000.0
        self.windows = windows
        self.log: list[DeviceEvent] = []
        self.position = 0
        self.reached = 0
        self.records: dict[str, Record] = {}
        self.unchecked: set[str] = set()
        self.sources: dict[str, deque[DeviceEvent]] = {name: deque() for name in ("relay", "gateway", "cells", "timer")}
        self.requests: deque[CellRequest] = deque()
        self.snapshots: dict[str, dict[int, ExecutionChanged]] = defaultdict(dict)
        self.requested: set[str] = set()
        self.window_of: dict[Attempt, WindowKey] = {}
        self._committed = [0]

    @abstractmethod
    def command(self, effect: ToGateway | ToMqtt) -> None:
        """Take a command for a device."""

    @abstractmethod
    def check_decision(self, record: Record) -> None:
        """Check what must hold of a record at the moment of its decision."""

    def process(self, max_events: int, *, dies: str = "no", share: int = 0) -> None:
        """Process a chunk as the stage does: effects first, then records, then the position."""
        chunk = list(enumerate(self.log[self.position : self.position + max_events], self.position))
        self.reached = max(self.reached, self.position + len(chunk))
        fresh: dict[str, Record] = {}
        effects: list[Effect] = []
        for offset, event in chunk:
            device = fresh.get(event.device_id, self.records.get(event.device_id))
            decision = decide(device, event, offset, RULES, self.now)
            if decision.device is not None:
                self.check_decision(decision.device)
                fresh[event.device_id] = decision.device
            effects += decision.effects
        if dies == "sending":
            self._send(effects[: len(effects) * share // 10])
            self.restart(1)
            return
        self._send(effects)
        if dies == "saving":
            self._save({name: fresh[name] for name in sorted(fresh)[: len(fresh) * share // 10]})
            self.restart(share)
            return
        self._save(fresh)
        self.position += len(chunk)
        if dies == "no":
            self._committed.append(self.position)

    def restart(self, back: int) -> None:
        """Read on from one of the last committed positions; the records stay as they were saved."""
        self.position = self._committed[-min(len(self._committed), 1 + back)]

    def deliver(self, source: str, how: str) -> None:
        """Move the oldest event of a source to the log, or lose it, or double it."""
        queue = self.sources[source]
        if not queue:
            return
        event = queue.popleft()
        copies = {"once": 1, "twice": 2, "lost": 1 if source == "relay" else 0}[how]
        self.log.extend([event] * copies)

    def admit(self) -> None:
        """Let the windows take a request."""
        if self.requests:
            self.sources["cells"].extend(self.windows.apply(self.requests.popleft(), self.now))

    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.tick()

    def tick(self) -> None:
        """Publish the deadlines that have passed, and let the windows probe."""
        for record in self.records.values():
            for d in deadlines(record):
                if d.at <= self.now:
                    event = DeadlinePassed(
                        **head(self.now, record.device_id),
                        subject=d.subject,
                        attempt=d.attempt,
                        step=d.step,
                        deadline=d.at,
                    )
                    self.sources["timer"].append(event)
        self.sources["cells"].extend(self.windows.due(self.now))

    def request(self, task: str, name: str, policy: UpgradePolicy) -> None:
        """A task wants a device upgraded."""
        execution_id = f"{task}:{name}"
        self.requested.add(execution_id)
        self.sources["relay"].append(
            ExecutionRequested(
                **head(self.now, name),
                execution_id=execution_id,
                task_id=task,
                product=self.product,
                package=PackageSnapshot(package_id="k", version=task, image_id="i", image_size=1, image_sha256="ab"),
                policy=policy,
                created_at=utc(self.now),
            )
        )

    def stop(self, task: str, name: str) -> None:
        """A task is stopped."""
        self.requested.add(f"{task}:{name}")
        self.sources["relay"].append(
            ExecutionStopRequested(**head(self.now, name), execution_id=f"{task}:{name}", task_id=task)
        )

    def publish(self, snapshot: ExecutionEvent) -> None:
        """Take a snapshot: one version has one content, and nothing follows a final one."""
        if isinstance(snapshot, DeviceFirmwareChanged):
            return
        assert isinstance(snapshot, ExecutionChanged)
        known = self.snapshots[snapshot.execution_id]
        assert known.setdefault(snapshot.version, snapshot) == snapshot
        final = [version for version, s in known.items() if s.status.is_final]
        assert not final or final == [max(known)]

    def _send(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ToGateway | ToMqtt):
                self.command(effect)
            elif isinstance(effect, SlotAsk | SlotReturn | SlotHold):
                if isinstance(effect, SlotAsk):
                    self.window_of[effect.grant.execution_id, effect.grant.attempt] = effect.window
                self.requests.append(effect)
            else:
                self.publish(effect)

    def _save(self, fresh: dict[str, Record]) -> None:
        """Store records as the stage does, as bytes; one that has not changed is stored already."""
        for name, record in fresh.items():
            if record is not self.records.get(name):
                self.records[name] = msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=Record)
                self.unchecked.add(name)
