"""LwM2M devices and their gateway around the rules; invariant 1 is checked at the devices."""

from collections import defaultdict, deque

from tests.unit.rules.world.devices import Attempt, Device, radio
from tests.unit.rules.world.gateway import Gateway
from tests.unit.rules.world.windows import LIMIT, AdmittingWindows, Windows, head
from tests.unit.rules.world.world import World

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import (
    DeviceUplink,
    FirmwareStateNotified,
    ResourceValue,
    UplinkKind,
)
from sluice_common.messages.lwm2m_commands import DeviceRequests, Execute, Lwm2mCommand, WritePackageUri
from sluice_common.messages.slots import WindowKey
from sluice_common.messages.snapshots import ProductSnapshot
from sluice_rules.devices.attempt import SlotState
from sluice_rules.devices.device import Device as Record
from sluice_rules.devices.effects import ToGateway, ToMqtt
from sluice_rules.devices.judgements import DOWNLOADED, DOWNLOADING, IDLE, UPDATING


class Lwm2mWorld(World):
    """Everything around `decide`, with LwM2M devices."""

    product = ProductSnapshot(product_id="p")

    def __init__(self, windows: Windows, devices: int = 4) -> None:
        super().__init__(windows, devices)
        self.gateway = Gateway()
        self.devices = {name: Device(name, radio(number)) for number, name in enumerate(self.names)}
        self.commands: deque[Lwm2mCommand] = deque()
        self.run: list[Lwm2mCommand] = []
        self.executes: dict[Attempt, str] = {}
        self.cells: dict[tuple[str, int], ResourceValue] = {}

    # The gateway

    def command(self, effect: ToGateway | ToMqtt) -> None:
        """An attempt has one Execute, under one id, however often it is sent."""
        assert isinstance(effect, ToGateway)
        command = effect.command
        if isinstance(command, DeviceRequests) and isinstance(command.requests[0], Execute):
            attempt = (command.execution_id or "", command.attempt)
            assert self.executes.setdefault(attempt, command.command_id) == command.command_id, "invariant 5"
        self.commands.append(command)

    @property
    def has_commands(self) -> bool:
        """Return whether a command waits at the gateway."""
        return bool(self.commands)

    @property
    def has_run(self) -> bool:
        """Return whether the gateway has run a command."""
        return bool(self.run)

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

    def serves(self, name: str) -> bool:
        """Return whether the gateway would serve a block to a device now."""
        served = self.gateway.served.get(name)
        return served is not None and self.now < served.not_after

    # The devices

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

    def die(self, name: str) -> None:
        """A device does nothing any more."""
        self.devices[name].alive = False

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

    def check(self) -> None:
        """Check what must hold at any moment."""
        holders = self.windows.holders()
        for window, attempts in self.occupied().items():
            if isinstance(self.windows, AdmittingWindows):
                assert len(attempts) <= LIMIT, "invariant 1"
            granted = {(g.execution_id, g.attempt) for g in holders.get(window, set())}
            assert attempts <= granted, "invariant 1: a slot was returned before its device was fenced"
        for device in self.devices.values():
            assert set(device.executed.values()) <= {1}, "invariant 5"
        self.check_records(holders)
        if self.at_rest():
            self.check_fences()
            self.check_observations()

    def occupied(self) -> dict[WindowKey, set[Attempt]]:
        """Who uses the radio of which window: everybody who might fetch a block and has given no verdict."""
        found: dict[WindowKey, set[Attempt]] = defaultdict(set)
        for name, served in self.gateway.served.items():
            if self.serves(name) and not self.devices[name].reported:
                found[self.window_of[served.attempt]].add(served.attempt)
        return found

    def check_decision(self, record: Record) -> None:
        """Check that only a grant of the cell in which the device has registered last would be taken."""
        execution = record.execution
        if record.link and execution and execution.attempt.slot is SlotState.ASKED:
            assert execution.window
            assert execution.window.cell_id == self.cells[record.device_id, record.link.epoch]

    def check_fences(self) -> None:
        """Check that no image is served but that of the running attempt, if the gateway took every close."""
        for name, served in self.gateway.served.items():
            if self.serves(name) and served.attempt not in self.gateway.unfenced:
                execution = self.records[name].execution
                assert execution is not None, "invariant 1: served after the end"
                assert (execution.execution_id, execution.attempt.number) == served.attempt
                assert execution.attempt.needs_fence, "invariant 1: served after the attempt"

    def check_observations(self) -> None:
        """Check that nothing is observed for an execution that has ended (R085)."""
        for name, (execution_id, _) in self.gateway.observes.items():
            execution = self.records[name].execution
            assert execution is not None, "observed after the end"
            assert (execution.execution_id, execution.observed) == (execution_id, True)


def _begins(command: DeviceRequests) -> bool:
    return any(isinstance(request, WritePackageUri) for request in command.requests)
