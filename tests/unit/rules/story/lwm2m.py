"""The story of an LwM2M device: what happens to it, event by event, in short words."""

from collections.abc import Callable
from typing import Any, Self

from tests.unit.rules.story.decisions import DEVICE, Decisions

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import (
    CommandOutcome,
    DeadlinePassed,
    DeviceCommandCancelRequested,
    DeviceCommandRequested,
    DeviceDeregistered,
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
from sluice_common.messages.execution_events import (
    Step,
)
from sluice_common.messages.lwm2m_commands import DeviceRequest, Lwm2mCommand
from sluice_common.messages.slots import Grant, WindowKey
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_rules.devices.device import deadlines

OLD, TARGET = "1.0", "2.0"
GOOD_RADIO: dict[str, ResourceValue] = {"/4/0/2": -95, "/4/0/8": 77, "/4/0/11": 12}


class Story(Decisions):
    """One LwM2M device, told event by event."""

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
        *,
        fetching: bool = False,
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
                fetching=fetching,
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
    def busy(path: str, max_age: int = 60, code: str = "5.03") -> RequestResult:
        """The device wants to be asked later."""
        return RequestResult(path=path, code=code, max_age=max_age)

    @staticmethod
    def refused(path: str, code: str = "4.05") -> RequestResult:
        """The device refused a request."""
        return RequestResult(path=path, code=code)

    def accept_uri(self, state: ResourceValue = 0, result: ResourceValue = 0) -> Self:
        """The device tells its state and result, and accepts the Package URI."""
        return self.answer(self.read("/5/0/3", state), self.read("/5/0/5", result), self.changed("/5/0/1"))

    def refuse_uri(self, state: ResourceValue = 0, code: str = "4.05", result: ResourceValue = 0) -> Self:
        """The device tells its state and result, and refuses the Package URI."""
        return self.answer(self.read("/5/0/3", state), self.read("/5/0/5", result), self.refused("/5/0/1", code))

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
            Step.OBSERVE: self.accept_uri,
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
