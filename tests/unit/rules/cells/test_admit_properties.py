"""A cell window against devices that behave as `decide` does, over a bus that delays, repeats and reorders."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import CellRequest, ProbeDue, SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import SlotGranted
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_rules.cells.admit import Admission, admit
from sluice_rules.cells.window import Entry, Ticket, Waiter, Window, WindowRules, ticket_of

KEY = WindowKey(network="default", cell_id=7, coverage_class=CoverageClass.LEVEL_0)
MARGIN = 2.0
EXECUTIONS = st.sampled_from([f"task:{n}" for n in range(7)])
PICK = st.integers(min_value=0, max_value=10_000)


@dataclass
class Device:
    """What `decide` knows of one execution: its newest ask, and whether it uses the grant that answered it."""

    execution_id: str
    attempt: int = 1
    ask_no: int | None = None
    holds: bool = False

    @property
    def grant(self) -> Grant:
        assert self.ask_no is not None
        return Grant(execution_id=self.execution_id, attempt=self.attempt, ask_no=self.ask_no)


class KeptChanges(Window):
    """A window whose changes nobody takes."""

    def take_changes(self) -> dict[Ticket, Entry | None]:
        return {}


class WindowMachine(RuleBasedStateMachine):
    """Devices ask, hold, return and stop; grants and probes reach them late and in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.rules_of_window = WindowRules(limit=2, begin_margin=MARGIN, probe_interval=60.0)
        self.window = Window(KEY, self.rules_of_window)
        self.stored: dict[Ticket, Entry] = {}
        self.devices: dict[str, Device] = {}
        self.in_flight: list[Grant] = []
        self.probes: list[Grant] = []
        self.sent: list[CellRequest] = []
        self.now = 1000.0
        self.events = 0
        self.forgotten = False

    # ---- what the shell does

    def apply(self, request: CellRequest) -> Admission:
        self.check_undo(request)
        waiting = dict(self.window.waiters)
        holding = set(self.window.holders)
        admission = admit(self.window, request)
        for ticket, entry in admission.changes.items():
            if entry is None:
                self.stored.pop(ticket, None)
            else:
                self.stored[ticket] = entry
        self.check_order(request, waiting, holding)
        for event in admission.events:
            (self.in_flight if isinstance(event, SlotGranted) else self.probes).append(event.grant)
        return admission

    def check_undo(self, request: CellRequest) -> None:
        """A window whose changes were not taken can be had back as it was."""
        before, window = self.window.entries, KeptChanges(KEY, self.rules_of_window, self.window.entries)
        admit(window, request)
        assert window.as_last_taken().entries == before

    def send(self, request: CellRequest) -> Admission:
        self.sent.append(request)
        return self.apply(request)

    def check_order(self, request: CellRequest, waiting: dict[str, Waiter], holding: set[Ticket]) -> None:
        """First come, first served among those awake; no slot idles; no grant above the limit."""
        new = [self.window.holders[ticket] for ticket in self.window.holders if ticket not in holding]
        asleep = [w for w in self.window.waiters.values() if w.awake_until < self.now + MARGIN]
        if len(self.window.holders) < self.rules_of_window.limit:
            assert len(asleep) == len(self.window.waiters), "a slot idles beside an awake waiter"
        if isinstance(request, SlotHold):
            return
        if new:
            assert len(self.window.holders) <= self.rules_of_window.limit
        for holder in new:
            for waiter in self.window.waiters.values():
                overtaken = waiter.execution_id in waiting and waiter.position < holder.position
                assert not overtaken or waiter in asleep, "an awake waiter was overtaken"

    def request(self, make: Callable[..., CellRequest], grant: Grant, **fields: object) -> CellRequest:
        return make(
            app_id="app",
            occurred_at=utc(self.now),
            device_id=grant.execution_id,
            window=KEY,
            grant=grant,
            **fields,
        )

    # ---- what devices do

    @rule(execution=EXECUTIONS, awake_for=st.sampled_from([0.0, 5.0, 30.0, 1e6]))
    def ask(self, execution: str, awake_for: float) -> None:
        device = self.devices.setdefault(execution, Device(execution))
        if device.holds:
            return
        self.events += 1
        device.ask_no = self.events
        self.send(self.request(SlotAsk, device.grant, awake_until=utc(self.now + awake_for)))

    @precondition(lambda self: self.in_flight)
    @rule(pick=PICK)
    def deliver_a_grant(self, pick: int) -> None:
        grant = self.in_flight.pop(pick % len(self.in_flight))
        device = self.devices[grant.execution_id]
        if device.ask_no is not None and grant == device.grant:
            device.holds = True
        else:
            self.send(self.request(SlotReturn, grant))

    @precondition(lambda self: self.probes)
    @rule(pick=PICK)
    def deliver_a_probe(self, pick: int) -> None:
        grant = self.probes.pop(pick % len(self.probes))
        device = self.devices[grant.execution_id]
        if device.ask_no is not None and grant == device.grant:
            device.holds = True
            self.send(self.request(SlotHold, grant))
        else:
            self.send(self.request(SlotReturn, grant))

    @precondition(lambda self: any(d.ask_no is not None for d in self.devices.values()))
    @rule(pick=PICK, keep_place=st.booleans())
    def end_or_release(self, pick: int, keep_place: bool) -> None:
        asking = [d for d in self.devices.values() if d.ask_no is not None]
        device = asking[pick % len(asking)]
        keep_place = keep_place and device.holds
        self.send(self.request(SlotReturn, device.grant, keep_place=keep_place))
        if keep_place:
            device.holds = False
            self.events += 1
            device.ask_no = self.events
            self.send(self.request(SlotAsk, device.grant, awake_until=utc(self.now)))
        else:
            self.devices[device.execution_id] = Device(device.execution_id, device.attempt + 1)

    # ---- what time, faults and restarts do

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        due = [holder for holder in self.window.holders.values() if holder.deadline <= self.now]
        for holder in due:
            self.apply(
                ProbeDue(
                    app_id="app",
                    occurred_at=utc(self.now),
                    window=KEY,
                    grant=holder.grant,
                    deadline=holder.deadline,
                )
            )

    @precondition(lambda self: self.sent)
    @rule(pick=PICK)
    def replay_a_suffix(self, pick: int) -> None:
        before = self.window.entries
        for request in self.sent[pick % len(self.sent) :]:
            self.apply(request)
        assert self.window.entries == before

    @rule()
    def restart(self) -> None:
        """A restored window learns at its first request who sleeps: offered a slot, they are passed over again."""
        self.window = Window(KEY, self.rules_of_window, self.stored)
        before = self.window.entries
        nobody = Grant(execution_id="nobody", attempt=1, ask_no=0)
        self.apply(self.request(SlotReturn, nobody))
        assert self.window.entries == before

    @precondition(lambda self: self.window.holders)
    @rule(pick=PICK)
    def lose_a_holder(self, pick: int) -> None:
        ticket = sorted(self.window.holders)[pick % len(self.window.holders)]
        grant = self.stored.pop(ticket).grant
        self.window = Window(KEY, self.rules_of_window, self.stored)
        self.forgotten = True
        self.in_flight = [g for g in self.in_flight if ticket_of(g) != ticket]
        device = self.devices[grant.execution_id]
        if device.ask_no is not None and grant == device.grant:
            device.holds = True
            self.send(self.request(SlotHold, grant))

    # ---- what always holds

    @invariant()
    def no_more_devices_hold_than_the_limit(self) -> None:
        using = [d for d in self.devices.values() if d.holds]
        if not self.forgotten:
            assert len(self.window.holders) <= self.rules_of_window.limit
            assert len(using) <= self.rules_of_window.limit
        for device in using:
            assert device.grant in {holder.grant for holder in self.window.holders.values()}

    @invariant()
    def what_is_stored_is_what_lives(self) -> None:
        assert self.stored == self.window.entries
        assert Window(KEY, self.rules_of_window, self.stored).entries == self.stored

    def teardown(self) -> None:
        """Every slot is returned once the devices have ended and all messages have arrived."""
        self.now += 1e7
        for device in list(self.devices.values()):
            if device.ask_no is not None:
                self.send(self.request(SlotReturn, device.grant))
                self.devices[device.execution_id] = Device(device.execution_id, device.attempt + 1)
        while self.in_flight:
            self.deliver_a_grant(0)
        assert self.window.is_empty


@pytest.mark.requirement("R067", "R072", "R073", "R087")
def test_a_window_keeps_its_limit_its_order_and_every_slot_whatever_the_bus_does() -> None:
    long = settings(max_examples=settings().max_examples // 2, stateful_step_count=60, deadline=None)
    run_state_machine_as_test(WindowMachine, settings=long)


def _ask(number: int, ask_no: int = 1) -> SlotAsk:
    return SlotAsk(
        app_id="app",
        occurred_at=utc(0),
        device_id=str(number),
        window=KEY,
        grant=Grant(execution_id=str(number), attempt=1, ask_no=ask_no),
        awake_until=utc(1e6),
    )


def _return(number: int, ask_no: int = 1) -> SlotReturn:
    grant = Grant(execution_id=str(number), attempt=1, ask_no=ask_no)
    return SlotReturn(app_id="app", occurred_at=utc(0), device_id=str(number), window=KEY, grant=grant)


def _heap_operations(monkeypatch: pytest.MonkeyPatch, waiters: int, rounds: int) -> int:
    """Count pushes and pops while a window with that many waiters serves asks, asks anew and returns."""
    window = Window(KEY, WindowRules(limit=1, begin_margin=MARGIN, probe_interval=60.0))
    for number in range(waiters + 1):
        admit(window, _ask(number))
    operations = 0

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal operations
            operations += 1
            return operation(*args)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(heapq, "heappush", counted(heapq.heappush))
        patch.setattr(heapq, "heappop", counted(heapq.heappop))
        patch.delattr(heapq, "heapify")
        for number in range(rounds):
            assert len(admit(window, _ask(waiters + 1 + number)).changes) == 1
            assert len(admit(window, _ask(number + 2, ask_no=2)).changes) == 1
            assert len(admit(window, _return(number, ask_no=2)).changes) == 2
    return operations


def test_a_request_costs_the_same_with_fifty_thousand_waiters_as_with_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _heap_operations(monkeypatch, 50_000, 100) == _heap_operations(monkeypatch, 10, 100) == 400


def test_waiters_found_asleep_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    window = Window(KEY, WindowRules(limit=1, begin_margin=MARGIN, probe_interval=60.0))
    for number in range(1000):
        admit(window, _ask(number))
    admit(window, replace(_return(0), occurred_at=utc(2e6)))
    monkeypatch.delattr(heapq, "heappop")
    admit(window, replace(_return(0), occurred_at=utc(2e6)))
    assert len(window.waiters) == 999
