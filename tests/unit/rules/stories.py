"""A device's story: events told in short words, and what `decide` makes of them."""

from collections.abc import Callable
from typing import Any, Self, TypeVar

import msgspec

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import (
    CommandOutcome,
    DeadlinePassed,
    DeviceCommandCancelRequested,
    DeviceCommandRequested,
    DeviceDeregistered,
    DeviceEvent,
    DeviceUplink,
    DownloadProgressed,
    ExecutionRequested,
    ExecutionStopRequested,
    FirmwareStateNotified,
    OutcomeStatus,
    RequestResult,
    ResourceValue,
    SlotGranted,
    SlotProbed,
    UpgradeProgressReported,
    UplinkKind,
    VersionReported,
)
from sluice_common.messages.execution_events import (
    DeviceCommandChanged,
    ExecutionChanged,
    ExecutionStatus,
    Step,
)
from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequest, DeviceRequests, Lwm2mCommand
from sluice_common.messages.mqtt_commands import MqttCommand
from sluice_common.messages.slots import Grant, WindowKey
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_rules.devices.decide import decide
from sluice_rules.devices.device import Device, Execution, deadlines
from sluice_rules.devices.effects import Effect, ToGateway, ToMqtt
from sluice_rules.devices.rules import Rules

START = 1_800_000_000.0
DEVICE = "d"
OLD, TARGET = "1.0", "2.0"
GOOD_RADIO: dict[str, ResourceValue] = {"/4/0/2": -95, "/4/0/8": 77, "/4/0/11": 12}
T = TypeVar("T")
MQTT = ProductSnapshot(product_id="m", protocol="MQTT", upgrade_protocol="")
FOR_EVER = 1e10
"""Seconds that a connected MQTT device counts as awake."""


class Story:
    """One device, told event by event.

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
        self.offset = 0
        self.epoch = 0
        self.effects: list[Effect] = []
        self.all_effects: list[Effect] = []
        self.log: list[tuple[DeviceEvent, int]] = []

    # What happens

    def feed(self, event: DeviceEvent) -> Self:
        """Decide on an event; the record is encoded and decoded, as it is in the stage."""
        self.offset += 1
        self.log.append((event, self.offset))
        decision = decide(self.device, event, self.offset, self.rules)
        self.device = decision.device and msgspec.msgpack.decode(msgspec.msgpack.encode(decision.device), type=Device)
        assert self.device == decision.device
        self.effects = decision.effects
        self.all_effects += decision.effects
        return self

    def later(self, seconds: float) -> Self:
        """Let time pass."""
        self.now += seconds
        return self

    def request(
        self,
        task: str = "t",
        *,
        policy: UpgradePolicy | None = None,
        product: ProductSnapshot | None = None,
        sources: tuple[str, ...] = (),
        created_ago: float = 0.0,
    ) -> Self:
        """A task wants the device upgraded."""
        return self.feed(
            ExecutionRequested(
                **self.head(),
                execution_id=f"{task}:{DEVICE}",
                task_id=task,
                product=product or ProductSnapshot(product_id="p"),
                package=PackageSnapshot(
                    package_id="k",
                    version=TARGET,
                    image_id="i",
                    image_size=65_536,
                    image_sha256="ab",
                    source_versions=sources,
                ),
                policy=policy or UpgradePolicy(),
                created_at=utc(self.now - created_ago),
            )
        )

    def stop(self, task: str = "t") -> Self:
        """The task is stopped."""
        return self.feed(ExecutionStopRequested(**self.head(), execution_id=f"{task}:{DEVICE}", task_id=task))

    def register(self, awake_for: float = 1e6, *, gateway: int = 0, epoch: int | None = None) -> Self:
        """The device registers anew."""
        self.epoch = self.epoch + 1 if epoch is None else epoch
        return self.uplink(awake_for, kind=UplinkKind.REGISTER, gateway=gateway)

    def uplink(self, awake_for: float = 1e6, *, kind: UplinkKind = UplinkKind.UPDATE, gateway: int = 0) -> Self:
        """The device speaks."""
        return self.feed(
            DeviceUplink(
                **self.head(),
                kind=kind,
                gateway=gateway,
                epoch=self.epoch,
                awake_until=utc(self.now + awake_for),
                queue_mode=True,
            )
        )

    def deregister(self) -> Self:
        """The device leaves."""
        return self.feed(DeviceDeregistered(**self.head(), epoch=self.epoch))

    def deadline(self) -> Self:
        """Time passes until the active execution's deadline."""
        return self.due(self.execution.execution_id)

    def due(self, subject: str) -> Self:
        """Time passes until the deadline of an execution or a device command."""
        assert self.device
        found = next(d for d in deadlines(self.device) if d.subject == subject)
        self.now = max(self.now, found.at)
        return self.feed(
            DeadlinePassed(**self.head(), subject=subject, attempt=found.attempt, step=found.step, deadline=found.at)
        )

    def answer(self, *results: RequestResult, status: OutcomeStatus = OutcomeStatus.DONE) -> Self:
        """The gateway reports on the last command."""
        command = self.last_command
        return self.outcome(command, status, results)

    def outcome(
        self,
        command: Lwm2mCommand,
        status: OutcomeStatus = OutcomeStatus.DONE,
        results: tuple[RequestResult, ...] = (),
        awake_for: float | None = None,
    ) -> Self:
        """The gateway reports on a command."""
        return self.feed(
            CommandOutcome(
                **self.head(),
                command_id=command.command_id,
                execution_id=command.execution_id,
                attempt=command.attempt,
                status=status,
                results=results,
                awake_until=None if awake_for is None else utc(self.now + awake_for),
            )
        )

    def asleep(self) -> Self:
        """The gateway could not reach the device for the last command."""
        return self.answer(status=OutcomeStatus.ASLEEP)

    def timed_out(self) -> Self:
        """The device did not answer the last command."""
        return self.answer(status=OutcomeStatus.TIMEOUT)

    def notify(self, state: int, *, attempt: int | None = None, awake_for: float | None = None) -> Self:
        """The device notifies `/5/0/3`."""
        return self.feed(
            FirmwareStateNotified(
                **self.head(),
                execution_id=self.execution.execution_id,
                attempt=attempt or self.execution.attempt.number,
                state=state,
                awake_until=None if awake_for is None else utc(self.now + awake_for),
            )
        )

    def grant(self, grant: Grant | None = None, window: WindowKey | None = None) -> Self:
        """A window grants, the current ask if nothing else is said."""
        found = window or self.execution.window
        assert found
        return self.feed(SlotGranted(**self.head(), window=found, grant=grant or self.execution.grant))

    def probe(self, grant: Grant, window: WindowKey) -> Self:
        """A window asks whether a grant is still needed."""
        return self.feed(SlotProbed(**self.head(), window=window, grant=grant))

    def command(self, command_id: str, request: DeviceRequest, expires_in: float = 3600.0) -> Self:
        """An app server sends a device command."""
        return self.feed(
            DeviceCommandRequested(
                **self.head(), command_id=command_id, request=request, expires_at=utc(self.now + expires_in)
            )
        )

    def cancel(self, command_id: str) -> Self:
        """An app server takes a device command back."""
        return self.feed(DeviceCommandCancelRequested(**self.head(), command_id=command_id))

    # What the device says

    @staticmethod
    def read(path: str, value: ResourceValue) -> RequestResult:
        """The device answered a read."""
        return RequestResult(path=path, code="2.05", values={path: value})

    @staticmethod
    def changed(path: str) -> RequestResult:
        """The device accepted a write or execute."""
        return RequestResult(path=path, code="2.04")

    @staticmethod
    def refused(path: str, code: str = "4.05") -> RequestResult:
        """The device refused a request."""
        return RequestResult(path=path, code=code)

    def tell_no_version(self) -> Self:
        """The device refuses to tell its version, and that of its last package."""
        return self.answer(self.refused("/3/0/3")).answer(self.refused("/5/0/3"))

    # The usual course

    def reach(self, step: Step, policy: UpgradePolicy | None = None) -> Self:
        """Tell the usual course of a device that is always awake, from its registration up to a step."""
        self.register().request(policy=policy)
        return self.go_on(step)

    def go_on(self, step: Step) -> Self:
        """Go on with the usual course from wherever the story is, up to a step."""
        course: dict[Step, Callable[[], Any]] = {
            Step.WAITING: self.deadline,
            Step.RETRY_WAIT: self.deadline,
            Step.QUERY_VERSION: lambda: self.answer(self.read("/3/0/3", OLD), self.read("/5/0/3", 0)),
            Step.QUERY_COVERAGE: lambda: self.answer(RequestResult(path="/4/0", code="2.05", values=GOOD_RADIO)),
            Step.QUERY_CELL: lambda: self.answer(self.read("/4/0/8", 77)),
            Step.AWAIT_SLOT: self.grant,
            Step.OBSERVE: lambda: self.answer(self.read("/5/0/3", 0), self.changed("/5/0/1")),
            Step.DOWNLOADING: lambda: self.notify(1).notify(2),
            Step.UPDATING: lambda: self.answer(self.changed("/5/0/2")).notify(3).register(),
            Step.QUERY_RESULT: lambda: self.answer(
                self.read("/3/0/3", TARGET), self.read("/5/0/3", 0), self.read("/5/0/5", 1)
            ),
            Step.CANCEL_OBSERVE: lambda: self.answer(self.read("/5/0/3", 0)),
        }
        while self.step is not step:
            course[self.execution.step]()
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


class MqttStory(Story):
    """One MQTT device, told event by event."""

    def request(self, task: str = "t", **fields: Any) -> Self:
        """A task wants the device upgraded."""
        super().request(task, **{"product": MQTT, **fields})
        return self

    def connect(self) -> Self:
        """The device logs in at the broker."""
        self.register(FOR_EVER)
        return self

    def disconnect(self) -> Self:
        """The device is gone."""
        self.deregister()
        return self

    def version(self, version: str | None) -> Self:
        """The device reports its firmware version."""
        self.feed(VersionReported(**self.head(), firmware_version=version))
        return self

    def progress(
        self, result_code: int = 0, percent: int | None = None, version: str | None = None, description: str = ""
    ) -> Self:
        """The device reports how its upgrade goes."""
        self.feed(
            UpgradeProgressReported(
                **self.head(), result_code=result_code, progress=percent, version=version, description=description
            )
        )
        return self

    def served(self, *, complete: bool = False, attempt: int | None = None, task: str = "t") -> Self:
        """The device was served bytes of the image."""
        number = attempt or self.execution.attempt.number
        self.feed(DownloadProgressed(**self.head(), execution_id=f"{task}:{DEVICE}", attempt=number, complete=complete))
        return self

    def reach(self, step: Step, policy: UpgradePolicy | None = None) -> Self:
        """Tell the usual course of a device that is always online, up to a step."""
        self.connect().request(policy=policy)
        return self.go_on(step)

    def go_on(self, step: Step) -> Self:
        """Go on with the usual course from wherever the story is, up to a step."""
        course: dict[Step, Callable[[], Any]] = {
            Step.WAITING: self.deadline,
            Step.RETRY_WAIT: self.deadline,
            Step.AWAIT_ONLINE: self.connect,
            Step.QUERY_VERSION: lambda: self.version(OLD),
            Step.AWAIT_SLOT: self.grant,
            Step.DOWNLOADING: lambda: self.served().served(complete=True),
            Step.UPDATING: self.deadline,
            Step.QUERY_RESULT: lambda: self.version(TARGET),
        }
        while self.step is not step:
            course[self.execution.step]()
        return self

    @property
    def mqtt(self) -> list[MqttCommand]:
        """What the last event makes the device be told."""
        return [effect.command for effect in self.new(ToMqtt)]

    @property
    def mqtt_kinds(self) -> list[str]:
        """The same, by name."""
        return [type(command).__name__ for command in self.mqtt]
