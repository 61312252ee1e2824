"""The record of one device, and what `decide` makes of the events that it is fed."""

from typing import Any, Self, TypeVar

import msgspec

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import (
    DeviceEvent,
)
from sluice_common.messages.execution_events import (
    DeviceCommandChanged,
    ExecutionChanged,
    ExecutionStatus,
    Step,
)
from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequest, DeviceRequests, Lwm2mCommand
from sluice_rules.devices.decide import decide
from sluice_rules.devices.device import Device
from sluice_rules.devices.effects import Effect, ToGateway
from sluice_rules.devices.execution import Execution
from sluice_rules.devices.rules import Rules

START = 1_800_000_000.0
DEVICE = "d"
T = TypeVar("T")


class Decisions:
    """One device and the decisions about it.

    Attributes:
        device: Its record.
        now: The story's time, seconds since 1970.
        effects: What the last event caused.
        all_effects: What all events caused.
    """

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.device: Device | None = None
        self.now = START
        self.behind = 0.0
        self.offset = 0
        self.epoch = 0
        self.effects: list[Effect] = []
        self.all_effects: list[Effect] = []
        self.log: list[tuple[DeviceEvent, int]] = []

    def feed(self, event: DeviceEvent) -> Self:
        """Decide on an event; the record is encoded and decoded, as it is in the stage."""
        self.offset += 1
        self.log.append((event, self.offset))
        decision = decide(self.device, event, self.offset, self.rules, event.at + self.behind)
        self.device = decision.device and msgspec.msgpack.decode(msgspec.msgpack.encode(decision.device), type=Device)
        assert self.device == decision.device
        self.effects = decision.effects
        self.all_effects += decision.effects
        return self

    def later(self, seconds: float) -> Self:
        """Let time pass."""
        self.now += seconds
        return self

    def decided(self, behind: float) -> Self:
        """Let the stage decide so many seconds after what happens."""
        self.behind = behind
        return self

    # What has become of it

    @property
    def execution(self) -> Execution:
        """The active execution."""
        assert self.device
        assert self.device.execution
        return self.device.execution

    @property
    def step(self) -> Step:
        """The active execution's step; ENDED without one."""
        return self.device.execution.step if self.device and self.device.execution else Step.ENDED

    def is_at(self, step: Step) -> bool:
        """Return whether the active execution is in a step; asked twice where it has moved on between."""
        return self.step is step

    @property
    def snapshot(self) -> ExecutionChanged:
        """The newest snapshot of all."""
        return self.all(ExecutionChanged)[-1]

    @property
    def status(self) -> ExecutionStatus:
        """The status that readers see."""
        return self.snapshot.status

    @property
    def reason(self) -> str | None:
        """The reason code that readers see."""
        return self.snapshot.reason.code.value if self.snapshot.reason else None

    @property
    def params(self) -> dict[str, str]:
        """The parameters of the reason that readers see."""
        assert self.snapshot.reason
        return self.snapshot.reason.params

    @property
    def commands(self) -> list[Lwm2mCommand]:
        """The commands that the last event caused."""
        return [effect.command for effect in self.effects if isinstance(effect, ToGateway)]

    @property
    def last_command(self) -> Lwm2mCommand:
        """The newest command of all."""
        return self.all(ToGateway)[-1].command

    @property
    def requests(self) -> tuple[DeviceRequest, ...]:
        """The device requests of the one such command that the last event caused."""
        (command,) = [command for command in self.commands if isinstance(command, DeviceRequests)]
        return command.requests

    @property
    def closes(self) -> list[CloseDownload]:
        """The fences that the last event asked for."""
        return [command for command in self.commands if isinstance(command, CloseDownload)]

    @property
    def asks(self) -> list[SlotAsk]:
        """The asks that the last event caused."""
        return self.new(SlotAsk)

    @property
    def returns(self) -> list[SlotReturn]:
        """The returns that the last event caused."""
        return self.new(SlotReturn)

    @property
    def holds(self) -> list[SlotHold]:
        """The holds that the last event caused."""
        return self.new(SlotHold)

    @property
    def snapshots(self) -> list[ExecutionChanged]:
        """The snapshots that the last event caused."""
        return self.new(ExecutionChanged)

    @property
    def command_states(self) -> list[tuple[str, str]]:
        """(id, status) of the device commands' snapshots that the last event caused."""
        return [(c.command_id, c.status.value) for c in self.new(DeviceCommandChanged)]

    def new(self, kind: type[T]) -> list[T]:
        """The last event's effects of a kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def all(self, kind: type[T]) -> list[T]:
        """All effects of a kind."""
        return [effect for effect in self.all_effects if isinstance(effect, kind)]

    def head(self) -> dict[str, Any]:
        """What every event begins with."""
        return {"app_id": "app", "occurred_at": utc(self.now), "device_id": DEVICE, "traceparent": "trace"}
