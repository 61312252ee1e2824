"""The world around `decide` and `admit`, of devices of either protocol: who can do what, and what must always hold.

`World.check` says what must hold at any moment, `World.run_out` what must hold in the end. Devices fall asleep,
restart, lose requests and answers, and die.
"""

import random
from abc import abstractmethod
from collections.abc import Callable
from functools import partial

from tests.unit.rules.world.bus import RULES, Bus
from tests.unit.rules.world.windows import WINDOW_RULES, Windows

from sluice_common.messages.base import utc
from sluice_common.messages.slots import Grant, WindowKey
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_rules.devices.attempt import SlotState
from sluice_rules.devices.decide import decide
from sluice_rules.devices.device import deadlines

DAY = 86_400.0
MAX_ROUNDS = 3_000
"""Rounds without trouble after which everything must have come to its end."""


class World(Bus):
    """Devices and what they are reached by, around the bus."""

    def __init__(self, windows: Windows, devices: int = 4) -> None:
        super().__init__(windows)
        self.names = [f"d{number}" for number in range(devices)]

    # What devices and gateways can do

    @property
    @abstractmethod
    def has_commands(self) -> bool:
        """Return whether a command is on its way to a device."""

    @property
    @abstractmethod
    def has_run(self) -> bool:
        """Return whether there is a command that a gateway could repeat."""

    @abstractmethod
    def run_command(self, fate: str) -> None:
        """Bring the next command to its device; a fate of `request_lost`, `answer_lost` or `busy` prevents a part."""

    @abstractmethod
    def restart_gateway(self, back: int) -> None:
        """The gateway starts again and repeats so many of the last commands."""

    @abstractmethod
    def speak(self, name: str, awake_for: float, *, registers: bool) -> None:
        """A device speaks."""

    @abstractmethod
    def move(self, name: str, cell: int) -> None:
        """A device comes to a cell."""

    @abstractmethod
    def is_at_work(self, name: str) -> bool:
        """Return whether a device has something to go on with."""

    @abstractmethod
    def work(self, name: str, *, succeeds: bool) -> None:
        """A device goes on with its download or update."""

    @abstractmethod
    def die(self, name: str) -> None:
        """A device does nothing any more."""

    # What must hold

    def check(self) -> None:
        """Check what must hold at any moment."""
        self.check_records(self.windows.holders())

    def check_records(self, holders: dict[WindowKey, set[Grant]]) -> None:
        """Check what must hold of every record at any moment; its deadlines, once it has changed."""
        if self.position >= self.reached:
            for record in self.records.values():
                held = record.execution
                if held is not None and held.attempt.slot is SlotState.HELD:
                    assert held.window
                    assert held.grant in holders[held.window], "invariant 1: a slot is used that nobody gave"
        for name in self.unchecked:
            waits = deadlines(self.records[name])
            assert all(d.at < self.now + 2 * DAY for d in waits), "invariant 7"
            assert (self.records[name].execution is None) == (not waits), "invariant 7"
        self.unchecked.clear()

    def run_out(self) -> None:
        """End all hostility and let everything come to its end."""
        for _ in range(MAX_ROUNDS):
            self.go()
            if self.at_rest() and not self.sleep_until_something_is_due():
                break
        self.check()
        final = {e: max(known.values(), key=lambda s: s.version) for e, known in self.snapshots.items()}
        assert set(final) == self.requested, "invariant 2: none is lost"
        assert all(s.status.is_final for s in final.values()), "invariant 2: every execution ends"
        assert not any(self.windows.holders().values()), "invariant 3: every slot is returned"

    def replay(self) -> None:
        """Read the whole log again: nothing changes."""
        for offset, event in enumerate(self.log):
            record = self.records.get(event.device_id)
            if record is not None:
                assert decide(record, event, offset, RULES).device is record, "invariant 4"

    # The course of things

    def go(self) -> None:
        """Let everybody do what they can do now, without trouble."""
        for source in self.sources:
            while self.sources[source]:
                self.deliver(source, "once")
        while self.position < len(self.log):
            self.process(100)
        while self.has_commands:
            self.run_command("ok")
        while self.requests:
            self.admit()
        for name in self.names:
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
        name = chance.choice(self.names)
        able = self._able(chance, name, bad=bad)
        if chance.randrange(40) == 0:
            able = [self._order(chance, name, bad=bad)]
        if bad and self.has_run:
            able.append(partial(self.restart_gateway, chance.randint(1, 3)))
        if not able or bad:
            able += self._idle(chance, name, bad=bad)
        chance.choice(able)()

    def _able(self, chance: random.Random, name: str, *, bad: bool) -> list[Callable[[], None]]:
        """Return what can go on, well or badly."""
        fate = chance.choice(["request_lost", "answer_lost", "busy"]) if bad else "ok"
        dies = chance.choice(["sending", "saving", "committing"]) if bad else "no"
        able: list[Callable[[], None]] = [
            partial(self.deliver, source, chance.choice(["twice", "lost"]) if bad else "once")
            for source, queue in self.sources.items()
            if queue
        ]
        if self.position < len(self.log):
            able += [partial(self.process, chance.randint(1, 9), dies=dies, share=chance.randint(0, 10))] * 2
        if self.has_commands:
            able += [partial(self.run_command, fate)] * 2
        if self.requests:
            able += [self.admit] * 2
        if self.is_at_work(name):
            able.append(partial(self.work, name, succeeds=not bad))
        return able

    def _order(self, chance: random.Random, name: str, *, bad: bool) -> Callable[[], None]:
        """Return that a task begins, or is stopped."""
        task = f"n{len(self.requested) - chance.randrange(3)}"
        policy = UpgradePolicy(
            waiting=0.0, max_retries=chance.randrange(3), retry_interval=60.0, end_at=utc(self.now + DAY)
        )
        return partial(self.stop, task, name) if bad else partial(self.request, task, name, policy)

    def _idle(self, chance: random.Random, name: str, *, bad: bool) -> list[Callable[[], None]]:
        """Return what happens when nothing goes on."""
        return [
            partial(self.pass_time, chance.choice([31.0, 400.0, 4_000.0]) if bad else 0.5),
            partial(self.speak, name, chance.choice([1.0, 60.0]), registers=bad),
            partial(self.move, name, chance.randint(1, 2)) if bad else self.windows.restore,
            self.windows.restore,
        ]

    def at_rest(self) -> bool:
        """Return whether nothing is under way."""
        under_way = any(self.sources.values()) or self.has_commands or self.requests
        return not (under_way or self.position < len(self.log))

    def sleep_until_something_is_due(self) -> bool:
        """Let time pass until the next deadline; devices speak meanwhile. Return whether there is one."""
        due = [d.at for record in self.records.values() for d in deadlines(record)]
        held = any(self.windows.holders().values())
        if not due and not held:
            return False
        soon = self.now + WINDOW_RULES.probe_interval + 1
        self.now = max(self.now, min([*due, soon] if held else due))
        for name in self.names:
            self.speak(name, 30.0, registers=False)
        self.tick()
        return True
