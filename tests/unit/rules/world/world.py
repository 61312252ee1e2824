"""The world around `decide`, as models: devices, gateway, windows, and a hostile bus between all of them.

The bus drops, doubles and reorders between its sources, the stage dies in mid-chunk and reads on from an older
position, devices fall asleep, restart, lose requests and answers, and die. `World.check` tells what must hold at any
moment, `World.run_out` what must hold in the end; invariant 1 is checked at the devices.
"""

import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import CellRequest, ProbeDue, SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import (
    CommandOutcome,
    DeadlinePassed,
    DeviceEvent,
    DeviceUplink,
    ExecutionRequested,
    ExecutionStopRequested,
    FirmwareStateNotified,
    OutcomeStatus,
    RequestResult,
    ResourceValue,
    SlotGranted,
    SlotProbed,
    UplinkKind,
)
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionEvent
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    CloseDownload,
    DeviceRequest,
    DeviceRequests,
    Execute,
    Lwm2mCommand,
    Observe,
    Read,
    Write,
    WritePackageUri,
)
from sluice_common.messages.mqtt_commands import MqttCommand
from sluice_common.messages.slots import Grant, WindowKey
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_rules.cells.admit import admit
from sluice_rules.cells.window import Window, WindowRules
from sluice_rules.devices.decide import decide
from sluice_rules.devices.device import Device as Record
from sluice_rules.devices.device import SlotState, deadlines
from sluice_rules.devices.effects import Effect, ToGateway, ToMqtt
from sluice_rules.devices.judgements import DOWNLOADED, DOWNLOADING, IDLE, UPDATING
from sluice_rules.devices.rules import Rules
from sluice_scheduler.adapters.devices import records

RULES = Rules(surrenders=3)
OLD = "1.0"
DAY = 86_400.0
LIMIT = 1
WINDOW_RULES = WindowRules(limit=LIMIT, begin_margin=2.0, probe_interval=300.0)
PATIENCE = 3_000
Attempt = tuple[str, int]


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


class Generous:
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


class Admitting:
    """The real rules of the cell windows."""

    def __init__(self) -> None:
        self._windows: dict[WindowKey, Window] = {}

    def apply(self, request: CellRequest, now: float) -> list[SlotGranted | SlotProbed]:  # noqa: ARG002 - time is in it
        """Apply a request; no free slot is left beside a waiter that is awake (invariant 6)."""
        window = self._windows.setdefault(request.window, Window(request.window, WINDOW_RULES))
        before = len(window.holders)
        events = list(admit(window, request).events)
        # Who reads on from an older position may say once more that it holds what it has returned since: such a slot
        # is put back above the limit until the return is repeated too, and nothing is granted meanwhile.
        assert len(window.holders) <= max(LIMIT, before + isinstance(request, SlotHold)), "invariant 1"
        awake = [w for w in window.waiters.values() if w.awake_until >= request.at + WINDOW_RULES.begin_margin]
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


@dataclass
class Device:
    """An LwM2M device with objects 3, 4 and 5."""

    device_id: str
    radio: dict[str, ResourceValue]
    epoch: int = 0
    awake_until: float = 0.0
    alive: bool = True
    version: str = OLD
    state: int = 0
    result: int = 0
    has_uri: bool = False
    target: str = ""
    observed: bool = False
    reported: bool = True
    executed: Counter[Attempt] = field(default_factory=Counter)

    def answer(self, request: DeviceRequest, attempt: Attempt) -> RequestResult:
        """Answer one request."""
        path = getattr(request, "path", "/5/0/1")
        match request:
            case Read() | Observe():
                self.observed = self.observed or isinstance(request, Observe)
                return RequestResult(path=path, code="2.05", values=self._values(path))
            case WritePackageUri() if self.state != IDLE:
                return RequestResult(path=path, code="4.05")
            case WritePackageUri():
                self.has_uri, self.result, self.reported = True, 0, False
                self.target = attempt[0].partition(":")[0]
            case Write():
                self.has_uri, self.state, self.result = False, 0, 0
            case Execute() if self.state != DOWNLOADED:
                return RequestResult(path=path, code="4.05")
            case Execute():
                self.executed[attempt] += 1
                self.state = UPDATING
            case CancelObserve():
                self.observed = False
        return RequestResult(path=path, code="2.04")

    def _values(self, path: str) -> dict[str, ResourceValue]:
        if path == "/4/0":
            return dict(self.radio)
        if path == "/5/0/5":
            self.reported = self.reported or self.result != 0
        known: dict[str, ResourceValue] = {
            "/3/0/3": self.version,
            "/5/0/3": self.state,
            "/5/0/5": self.result,
            "/4/0/8": self.radio.get("/4/0/8"),
        }
        return {path: known[path]}


@dataclass
class Served:
    """Whose image the gateway serves to a device, and until when."""

    attempt: Attempt
    not_after: float


class Gateway:
    """Serves images, runs commands in order, and says what it hears."""

    def __init__(self) -> None:
        self.served: dict[str, Served] = {}
        self.unfenced: set[Attempt] = set()
        self.observes: dict[str, Attempt] = {}
        self.executes: set[str] = set()

    def run(self, command: Lwm2mCommand, device: Device, now: float, fate: str) -> CommandOutcome:
        """Run a command; a fate of `request_lost` or `answer_lost` meets its last request."""
        self._forget(command)
        status = OutcomeStatus.DONE
        results: tuple[RequestResult, ...] = ()
        if isinstance(command, CloseDownload) and fate != "ok":
            self.unfenced.add((command.execution_id, command.attempt))
            status = OutcomeStatus.STALE
        elif isinstance(command, CloseDownload):
            served = self.served.get(device.device_id)
            if served is not None and served.attempt == (command.execution_id, command.attempt):
                del self.served[device.device_id]
        elif command.expires_at.timestamp() < now or command.epoch != device.epoch:
            status = OutcomeStatus.STALE
        elif device.awake_until <= now:
            status = OutcomeStatus.ASLEEP
        elif command.command_id in self.executes:
            status = OutcomeStatus.ALREADY_SENT
        else:
            status, results = self._ask(command, device, fate)
        return CommandOutcome(
            **head(now, device.device_id),
            command_id=command.command_id,
            execution_id=command.execution_id,
            attempt=command.attempt,
            status=status,
            results=results,
            awake_until=utc(device.awake_until),
        )

    def _forget(self, command: Lwm2mCommand) -> None:
        """Forget an observation that is cancelled, whether the device can be told or not."""
        if isinstance(command, DeviceRequests) and any(isinstance(r, CancelObserve) for r in command.requests):
            execution_id, _ = self.observes.get(command.device_id, ("", 0))
            if execution_id == command.execution_id:
                del self.observes[command.device_id]

    def _ask(
        self, command: DeviceRequests, device: Device, fate: str
    ) -> tuple[OutcomeStatus, tuple[RequestResult, ...]]:
        attempt = (command.execution_id or "", command.attempt)
        results: list[RequestResult] = []
        for request in command.requests:
            if isinstance(request, WritePackageUri):
                self.served[device.device_id] = Served(attempt, request.not_after.timestamp())
            if isinstance(request, Observe):
                self.observes[device.device_id] = attempt
            if isinstance(request, Execute):
                self.executes.add(command.command_id)
            lost = fate if request is command.requests[-1] else "ok"
            if lost == "request_lost" or not device.alive:
                return OutcomeStatus.TIMEOUT, tuple(results)
            result = device.answer(request, attempt)
            if lost == "answer_lost":
                return OutcomeStatus.TIMEOUT, tuple(results)
            results.append(result)
            if not result.ok:
                break
        return OutcomeStatus.DONE, tuple(results)


class World:
    """Everything around `decide`, with a bus between all of it."""

    product = ProductSnapshot(product_id="p")

    def __init__(self, windows: Windows, devices: int = 4) -> None:
        self.now = 1_800_000_000.0
        self.windows = windows
        self.gateway = Gateway()
        self.devices = {name: Device(name, radio(number)) for number, name in enumerate(names(devices))}
        self.log: list[DeviceEvent] = []
        self.position = 0
        self.reached = 0
        self.committed = [0]
        self.records: dict[str, bytes] = {}
        self.sources: dict[str, deque[DeviceEvent]] = {name: deque() for name in ("relay", "gateway", "cells", "timer")}
        self.commands: deque[Lwm2mCommand] = deque()
        self.run: list[Lwm2mCommand] = []
        self.requests: deque[CellRequest] = deque()
        self.snapshots: dict[str, dict[int, ExecutionChanged]] = defaultdict(dict)
        self.executes: dict[Attempt, str] = {}
        self.requested: set[str] = set()
        self.window_of: dict[Attempt, WindowKey] = {}
        self.cells: dict[tuple[str, int], ResourceValue] = {}

    # The stage

    def process(self, max_events: int, *, dies: str = "no", share: int = 0) -> None:
        """Process a chunk as the stage does: effects first, then records, then the position."""
        chunk = list(enumerate(self.log[self.position : self.position + max_events], self.position))
        self.reached = max(self.reached, self.position + len(chunk))
        fresh: dict[str, bytes] = {}
        effects: list[Effect] = []
        for offset, event in chunk:
            value = fresh.get(event.device_id, self.records.get(event.device_id))
            device = records.decode(value) if value is not None else None
            decision = decide(device, event, offset, RULES)
            self.check_cell(decision.device)
            if decision.device is not None and decision.device is not device:
                fresh[event.device_id] = records.encode(decision.device)
            effects += decision.effects
        if dies == "sending":
            self.send(effects[: len(effects) * share // 10])
            self.restart(1)
            return
        self.send(effects)
        if dies == "saving":
            kept = sorted(fresh)[: len(fresh) * share // 10]
            self.records |= {name: fresh[name] for name in kept}
            self.restart(share)
            return
        self.records |= fresh
        self.position += len(chunk)
        if dies == "no":
            self.committed.append(self.position)

    def restart(self, back: int) -> None:
        """Read on from one of the last committed positions; the records stay as they were saved."""
        self.position = self.committed[-min(len(self.committed), 1 + back)]

    def send(self, effects: list[Effect]) -> None:
        """Publish effects."""
        for effect in effects:
            if isinstance(effect, ToGateway):
                self.note_execute(effect.command)
                self.commands.append(effect.command)
            elif isinstance(effect, ToMqtt):
                self.tell(effect.command)
            elif isinstance(effect, SlotAsk | SlotReturn | SlotHold):
                if isinstance(effect, SlotAsk):
                    self.window_of[effect.grant.execution_id, effect.grant.attempt] = effect.window
                self.requests.append(effect)
            else:
                self.publish(effect)

    def tell(self, command: MqttCommand) -> None:
        """Publish what an MQTT device shall be told; these devices are none."""
        raise AssertionError(command)

    def note_execute(self, command: Lwm2mCommand) -> None:
        """An attempt has one Execute, under one id, however often it is sent."""
        if isinstance(command, DeviceRequests) and isinstance(command.requests[0], Execute):
            attempt = (command.execution_id or "", command.attempt)
            assert self.executes.setdefault(attempt, command.command_id) == command.command_id, "invariant 5"

    def publish(self, snapshot: ExecutionEvent) -> None:
        """Take a snapshot: one version has one content, and nothing follows a final one."""
        assert isinstance(snapshot, ExecutionChanged)
        known = self.snapshots[snapshot.execution_id]
        assert known.setdefault(snapshot.version, snapshot) == snapshot
        final = [version for version, s in known.items() if s.status.is_final]
        assert not final or final == [max(known)]

    # The bus

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

    def tick(self) -> None:
        """Publish what is due."""
        for value in self.records.values():
            device = records.decode(value)
            for d in deadlines(device):
                if d.at <= self.now:
                    event = DeadlinePassed(
                        **head(self.now, device.device_id),
                        subject=d.subject,
                        attempt=d.attempt,
                        step=d.step,
                        deadline=d.at,
                    )
                    self.sources["timer"].append(event)
        self.sources["cells"].extend(self.windows.due(self.now))

    # Who is outside

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

    def run_command(self, fate: str) -> None:
        """The gateway runs its next command."""
        if self.commands:
            command = self.commands.popleft()
            self.run.append(command)
            outcome = self.gateway.run(command, self.devices[command.device_id], self.now, fate)
            self.sources["gateway"].append(outcome)

    def restart_gateway(self, back: int) -> None:
        """The gateway starts again and reads commands twice; those that begin a download it tells apart."""
        again = [c for c in self.run[-back:] if isinstance(c, DeviceRequests) and not _begins(c)]
        self.commands.extendleft(reversed(again))

    def speak(self, name: str, awake_for: float, *, registers: bool) -> None:
        """A device speaks."""
        device = self.devices[name]
        if not device.alive:
            return
        device.epoch += registers or device.epoch == 0
        self.cells[name, device.epoch] = device.radio["/4/0/8"]
        device.awake_until = max(device.awake_until, self.now + awake_for)
        self.sources["gateway"].append(
            DeviceUplink(
                **head(self.now, name),
                kind=UplinkKind.REGISTER if registers else UplinkKind.UPDATE,
                gateway=0,
                epoch=device.epoch,
                awake_until=utc(device.awake_until),
            )
        )

    def move(self, name: str, cell: int) -> None:
        """A device comes to a cell and registers there."""
        if self.devices[name].alive:
            self.devices[name].radio["/4/0/8"] = cell
            self.speak(name, 60.0, registers=True)

    def is_at_work(self, name: str) -> bool:
        """Return whether a device has something to go on with."""
        device = self.devices[name]
        return device.state in (DOWNLOADING, UPDATING) or device.has_uri

    def work(self, name: str, *, succeeds: bool) -> None:
        """A device goes on with its download or update."""
        device = self.devices[name]
        if not device.alive:
            return
        if device.state == IDLE and device.has_uri:
            self._state(device, DOWNLOADING)
        elif device.state == DOWNLOADING:
            device.has_uri = False
            if succeeds and self.serves(name):
                self._state(device, DOWNLOADED)
            else:
                device.result = 4
                self._state(device, IDLE)
        elif device.state == UPDATING:
            device.version, device.result = (device.target, 1) if succeeds else (device.version, 8)
            self.speak(name, 60.0, registers=True)
            self._state(device, IDLE)

    def _state(self, device: Device, state: int) -> None:
        device.state = state
        observer = self.gateway.observes.get(device.device_id)
        if device.observed and observer is not None:
            self.sources["gateway"].append(
                FirmwareStateNotified(
                    **head(self.now, device.device_id),
                    execution_id=observer[0],
                    attempt=observer[1],
                    state=state,
                    awake_until=utc(device.awake_until),
                )
            )

    # What must hold

    def serves(self, name: str) -> bool:
        """Return whether the gateway would serve a block to a device now."""
        served = self.gateway.served.get(name)
        return served is not None and self.now < served.not_after

    def occupied(self) -> dict[WindowKey, set[Attempt]]:
        """Who uses the radio of which window: everybody who might fetch a block and has given no verdict."""
        found: dict[WindowKey, set[Attempt]] = defaultdict(set)
        for name, served in self.gateway.served.items():
            if self.serves(name) and not self.devices[name].reported:
                found[self.window_of[served.attempt]].add(served.attempt)
        return found

    def check(self) -> None:
        """Check what must hold at any moment."""
        holders = self.windows.holders()
        for window, attempts in self.occupied().items():
            if isinstance(self.windows, Admitting):
                assert len(attempts) <= LIMIT, "invariant 1"
            granted = {(g.execution_id, g.attempt) for g in holders.get(window, set())}
            assert attempts <= granted, "invariant 1: a slot was returned before its device was fenced"
        for device in self.devices.values():
            assert all(count == 1 for count in device.executed.values()), "invariant 5"
        self.check_records(holders)
        if self.at_rest():
            self.check_fences()
            self.check_observations()

    def check_cell(self, record: Record | None) -> None:
        """Check that only a grant of the cell in which the device has registered last would be taken."""
        execution = record.execution if record else None
        if not record or not record.link or not execution or execution.is_mqtt:
            return
        if execution.attempt.slot is SlotState.ASKED:
            assert execution.window
            assert execution.window.cell_id == self.cells[record.device_id, record.link.epoch]

    def check_fences(self) -> None:
        """Check that no image is served but that of the running attempt, if the gateway took every close."""
        for name, served in self.gateway.served.items():
            if self.serves(name) and served.attempt not in self.gateway.unfenced:
                execution = records.decode(self.records[name]).execution
                assert execution is not None, "invariant 1: served after the end"
                assert (execution.execution_id, execution.attempt.number) == served.attempt
                assert execution.attempt.exposed, "invariant 1: served after the attempt"

    def check_observations(self) -> None:
        """Check that nothing is observed for an execution that has ended (R085)."""
        for name, (execution_id, _) in self.gateway.observes.items():
            execution = records.decode(self.records[name]).execution
            assert execution is not None, "observed after the end"
            assert (execution.execution_id, execution.observed) == (execution_id, True)

    def check_records(self, holders: dict[WindowKey, set[Grant]]) -> None:
        """Check what must hold of every record at any moment."""
        for value in self.records.values():
            record = records.decode(value)
            held = record.execution if self.position >= self.reached else None
            if held is not None and held.attempt.slot is SlotState.HELD:
                assert held.window
                assert held.grant in holders[held.window], "invariant 1: a slot is used that nobody gave"
            waits = deadlines(record)
            assert all(d.at < self.now + 2 * DAY for d in waits), "invariant 7"
            assert (record.execution is None) == (not waits), "invariant 7"

    def run_out(self) -> None:
        """End all hostility and let everything come to its end."""
        for _ in range(PATIENCE):
            self.go()
            if self.at_rest() and not self.sleep_until_something_is_due():
                break
        self.check()
        final = {e: max(known.values(), key=lambda s: s.version) for e, known in self.snapshots.items()}
        assert set(final) == self.requested, "invariant 2: none is lost"
        assert all(s.status.is_final for s in final.values()), "invariant 2: every execution ends"
        assert not any(self.windows.holders().values()), "invariant 3: every slot is returned"

    def replay(self) -> None:
        """Read the whole log again."""
        before = dict(self.records)
        for offset, event in enumerate(self.log):
            value = before.get(event.device_id)
            if value is not None:
                device = records.decode(value)
                decision = decide(device, event, offset, RULES)
                assert decision.device is device, "invariant 4"
        assert self.records == before, "invariant 4"

    def go(self) -> None:
        """Let everybody do what they can do now, without trouble."""
        for source in self.sources:
            while self.sources[source]:
                self.deliver(source, "once")
        while self.position < len(self.log):
            self.process(100)
        while self.commands:
            self.run_command("ok")
        while self.requests:
            self.admit()
        for name in self.devices:
            if self.is_at_work(name):
                self.work(name, succeeds=True)
        self.check()

    def muddle(self, chance: random.Random, steps: int, trouble: int) -> None:
        """Let whoever has something to do do it, step by step, with so many percent of trouble."""
        for _ in range(steps):
            self.step(chance, trouble)
            self.check()

    def step(self, chance: random.Random, trouble: int) -> None:
        """Let one of those who can do something do it."""
        bad = chance.randrange(100) < trouble
        fate = chance.choice(["request_lost", "answer_lost"]) if bad else "ok"
        dies = chance.choice(["sending", "saving", "committing"]) if bad else "no"
        name = chance.choice(list(self.devices))
        able: list[Callable[[], None]] = [
            partial(self.deliver, source, chance.choice(["twice", "lost"]) if bad else "once")
            for source, queue in self.sources.items()
            if queue
        ]
        if self.position < len(self.log):
            able += [partial(self.process, chance.randint(1, 9), dies=dies, share=chance.randint(0, 10))] * 2
        if self.commands:
            able += [partial(self.run_command, fate)] * 2
        if self.requests:
            able += [self.admit] * 2
        if self.is_at_work(name):
            able.append(partial(self.work, name, succeeds=not bad))
        if chance.randrange(40) == 0:
            task = f"n{len(self.requested) - chance.randrange(3)}"
            policy = UpgradePolicy(
                waiting=0.0, max_retries=chance.randrange(3), retry_interval=60.0, end_at=utc(self.now + DAY)
            )
            able = [partial(self.stop, task, name) if bad else partial(self.request, task, name, policy)]
        if bad and self.run:
            able.append(partial(self.restart_gateway, chance.randint(1, 3)))
        if not able or bad:
            able.append(partial(self.pass_time, chance.choice([31.0, 400.0, 4_000.0]) if bad else 0.5))
            able.append(partial(self.speak, name, chance.choice([1.0, 60.0]), registers=bad))
            able.append(partial(self.move, name, chance.randint(1, 2)) if bad else self.windows.restore)
            able.append(self.windows.restore)
        chance.choice(able)()

    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.tick()

    def at_rest(self) -> bool:
        """Return whether nothing is under way."""
        return not (any(self.sources.values()) or self.commands or self.requests or self.position < len(self.log))

    def sleep_until_something_is_due(self) -> bool:
        """Let time pass until the next deadline; devices speak meanwhile. Return whether there is one."""
        due = [d.at for value in self.records.values() for d in deadlines(records.decode(value))]
        held = any(self.windows.holders().values())
        if not due and not held:
            return False
        soon = self.now + WINDOW_RULES.probe_interval + 1
        self.now = max(self.now, min([*due, soon] if held else due))
        for name in self.devices:
            self.speak(name, 30.0, registers=False)
        self.tick()
        return True


def _begins(command: DeviceRequests) -> bool:
    return any(isinstance(request, WritePackageUri) for request in command.requests)


def names(count: int) -> list[str]:
    """Name the devices."""
    return [f"d{number}" for number in range(count)]


def radio(number: int) -> dict[str, ResourceValue]:
    """What a device reports of its radio: two cells, two classes."""
    return {"/4/0/2": -95, "/4/0/8": 1 + number // 3, "/4/0/11": 12}
