"""The world around `decide` for MQTT devices: a broker that forgets, downloads over HTTP, reports in any order.

Devices connect and leave, miss commands, report too early and too late, fail with every result code, and
restart. What must hold: a slot within the window's limit for every offer, no slot for the idle, a success only where
the target runs, and no token that outlives its execution.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from itertools import cycle

from tests.unit.rules.world.bus import RULES
from tests.unit.rules.world.devices import OLD, Attempt
from tests.unit.rules.world.gateway import Served
from tests.unit.rules.world.windows import Windows, head
from tests.unit.rules.world.world import World

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import (
    DeviceDeregistered,
    DeviceUplink,
    DownloadProgressed,
    UpgradeProgressReported,
    UplinkKind,
    VersionReported,
)
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionEvent, ExecutionStatus, Step
from sluice_common.messages.mqtt_commands import CloseDownload, MqttCommand, OfferFirmware, QueryVersion
from sluice_common.messages.slots import Grant, task_window
from sluice_common.messages.snapshots import ProductSnapshot
from sluice_common.reasons import MQTT_RESULTS
from sluice_rules.devices.attempt import SlotState
from sluice_rules.devices.device import Device as Record
from sluice_rules.devices.effects import ToGateway, ToMqtt
from sluice_rules.devices.execution import Execution

FOR_EVER = 1e10
IDLE, FETCHING, INSTALLING = "idle", "fetching", "installing"


@dataclass
class MqttDevice:
    """A device that speaks `$ota`."""

    device_id: str
    epoch: int = 0
    online: bool = False
    alive: bool = True
    version: str = OLD
    ran: set[str] = field(default_factory=lambda: {OLD})
    phase: str = IDLE
    offer: OfferFirmware | None = None
    begun: bool = False

    @property
    def is_reached(self) -> bool:
        """Return whether a publication reaches it."""
        return self.alive and self.online

    def take(self, offer: OfferFirmware) -> None:
        """Begin a download, or begin it again."""
        self.offer, self.begun, self.phase = offer, False, FETCHING

    def rest(self) -> None:
        """Do nothing more."""
        self.offer, self.phase = None, IDLE

    def install(self, version: str) -> None:
        """Run another version."""
        self.version = version
        self.ran.add(version)


class MqttWorld(World):
    """Everything around `decide`, with MQTT devices."""

    product = ProductSnapshot(product_id="m", protocol="MQTT", upgrade_protocol="")

    def __init__(self, windows: Windows, devices: int = 4) -> None:
        super().__init__(windows, devices)
        self.devices = {name: MqttDevice(name) for name in self.names}
        self.commands: deque[MqttCommand] = deque()
        self.publications: list[MqttCommand] = []
        self.open: dict[str, Served] = {}
        self.offers: dict[str, Grant] = {}
        self.results = cycle([code for code in MQTT_RESULTS if code])

    # The gateway

    def command(self, effect: ToGateway | ToMqtt) -> None:
        """Every gateway learns at once who may download; what the device is sent goes by the broker."""
        assert isinstance(effect, ToMqtt)
        command = effect.command
        if isinstance(command, OfferFirmware):
            self.note_offer(command)
            self.open[command.device_id] = Served(_attempt(command), command.not_after.timestamp())
        elif isinstance(command, CloseDownload):
            served = self.open.get(command.device_id)
            if served is not None and served.attempt == _attempt(command):
                del self.open[command.device_id]
        self.commands.append(command)

    def note_offer(self, offer: OfferFirmware) -> None:
        """Each offer has a slot of its own; only one that is made again after a crash may find it returned."""
        if offer.command_id in self.offers:
            return
        task_id = offer.execution_id.partition(":")[0]
        held = self.windows.holders().get(task_window(task_id), set())
        fresh = {g for g in held if (g.execution_id, g.attempt) == _attempt(offer)} - set(self.offers.values())
        assert fresh, "invariant 1"
        self.offers[offer.command_id] = max(fresh, key=lambda grant: grant.ask_no)

    @property
    def has_commands(self) -> bool:
        """Return whether the broker has a publication to deliver."""
        return bool(self.commands)

    @property
    def has_run(self) -> bool:
        """Return whether anything was published."""
        return bool(self.publications)

    def run_command(self, fate: str) -> None:
        """The broker delivers a publication, or loses it or what the device says."""
        if self.commands:
            command = self.commands.popleft()
            self.publications.append(command)
            self.publish_to_device(command, fate)

    def publish_to_device(self, command: MqttCommand, fate: str) -> None:
        """The device hears a command, if it does."""
        device = self.devices[command.device_id]
        if fate == "request_lost" or not device.is_reached:
            return
        if isinstance(command, OfferFirmware):
            device.take(command)
        elif isinstance(command, QueryVersion) and fate == "ok":
            self.report_version(device)

    def restart_gateway(self, back: int) -> None:
        """The gateway starts again and publishes twice."""
        self.commands.extendleft(reversed(self.publications[-back:]))

    # The devices

    def speak(self, name: str, awake_for: float, *, registers: bool) -> None:  # noqa: ARG002 - MQTT devices stay awake
        """A device connects, or connects anew."""
        device = self.devices[name]
        if not device.alive or (device.online and not registers):
            return
        device.epoch += 1
        device.online = True
        self.sources["gateway"].append(
            DeviceUplink(
                **head(self.now, name),
                kind=UplinkKind.REGISTER,
                gateway=0,
                epoch=device.epoch,
                awake_until=utc(FOR_EVER),
            )
        )

    def move(self, name: str, cell: int) -> None:  # noqa: ARG002 - MQTT devices know no cells
        """A device connects anew."""
        self.speak(name, 0.0, registers=True)

    def die(self, name: str) -> None:
        """A device does nothing any more."""
        self.devices[name].alive = False

    def leave(self, name: str) -> None:
        """The broker loses a device."""
        device = self.devices[name]
        if device.online:
            device.online = False
            self.sources["gateway"].append(DeviceDeregistered(**head(self.now, name), epoch=device.epoch))

    def is_at_work(self, name: str) -> bool:
        """Return whether a device has something to go on with."""
        return self.devices[name].alive and self.devices[name].phase != IDLE

    def work(self, name: str, *, succeeds: bool) -> None:
        """A device goes on with its download or its installation."""
        device = self.devices[name]
        if not device.alive or device.offer is None:
            return
        if device.phase == FETCHING:
            self.fetch(device, device.offer, succeeds=succeeds)
        else:
            self.install(device, device.offer.package.version, succeeds=succeeds)

    def fetch(self, device: MqttDevice, offer: OfferFirmware, *, succeeds: bool) -> None:
        """Fetch a part of the image; the last one is followed by a report that says too much."""
        if not succeeds or not self.serves_offer(offer):
            self.report(device, next(self.results), 50)
            device.rest()
            return
        complete, device.begun = device.begun, True
        self.sources["gateway"].append(
            DownloadProgressed(
                **head(self.now, device.device_id),
                execution_id=offer.execution_id,
                attempt=offer.attempt,
                complete=complete,
            )
        )
        if complete:
            device.phase = INSTALLING
            self.report(device, 0, 100)

    def install(self, device: MqttDevice, target: str, *, succeeds: bool) -> None:
        """Restart with the new version, or with the old one."""
        device.rest()
        if succeeds:
            device.install(target)
        self.leave(device.device_id)
        self.report(device, 0 if succeeds else 10, 100)

    def serves_offer(self, offer: OfferFirmware) -> bool:
        """Return whether the gateways would serve the image of an offer now."""
        served = self.open.get(offer.device_id)
        return served is not None and served.attempt == _attempt(offer) and self.now < served.not_after

    def report(self, device: MqttDevice, result_code: int, percent: int) -> None:
        """Say how the upgrade goes; a device that is not connected connects first."""
        self.speak(device.device_id, 0.0, registers=False)
        self.sources["gateway"].append(
            UpgradeProgressReported(
                **head(self.now, device.device_id),
                result_code=result_code,
                progress=percent,
                version=device.version,
            )
        )

    def report_version(self, device: MqttDevice) -> None:
        """Say which version runs."""
        self.sources["gateway"].append(
            VersionReported(**head(self.now, device.device_id), firmware_version=device.version)
        )

    # What must hold

    def publish(self, snapshot: ExecutionEvent) -> None:
        """A success is one at the device."""
        super().publish(snapshot)
        if isinstance(snapshot, ExecutionChanged) and snapshot.status is ExecutionStatus.SUCCEEDED:
            assert snapshot.target_version in self.devices[snapshot.device_id].ran, "a success that is none"

    def check(self) -> None:
        """Check what must hold at any moment."""
        self.check_records(self.windows.holders())
        for record in self.records.values():
            if record.execution is not None:
                self.check_slot(record.execution)

    def check_decision(self, record: Record) -> None:
        """Nothing is known of MQTT devices at the moment of a decision."""

    def check_slot(self, execution: Execution) -> None:
        """A slot is held by a download only, looked after before it idles for too long, and not given for ever."""
        attempt = execution.attempt
        assert attempt.slot is SlotState.NONE or execution.step in (Step.AWAIT_SLOT, Step.DOWNLOADING)
        if attempt.slot is SlotState.HELD:
            assert execution.step is Step.DOWNLOADING
            assert execution.deadline <= self.now + RULES.download_idle
        assert attempt.slot_yields <= RULES.max_slot_yields + 1

    def run_out(self) -> None:
        """In the end no token is left open, either."""
        super().run_out()
        assert not self.open, "a token outlives its execution"

    def step(self, chance: random.Random, trouble: int) -> None:
        """Let one of those who can do something do it; now and then the broker loses a device."""
        if chance.randrange(300) < trouble:
            self.leave(chance.choice(self.names))
        else:
            super().step(chance, trouble)


def _attempt(command: MqttCommand) -> Attempt:
    return (command.execution_id, command.attempt)
