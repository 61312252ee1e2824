"""The devices and the gateway of the simulated campaign: pure, with a time that is handed to them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import (
    CommandOutcome,
    DeviceEvent,
    DeviceUplink,
    FirmwareState,
    FirmwareStateNotified,
    OutcomeStatus,
    RequestResult,
    ResourceValue,
    UplinkKind,
)
from sluice_common.messages.lwm2m_commands import (
    DeviceRequest,
    DeviceRequests,
    Execute,
    Lwm2mCommand,
    Observe,
    Read,
    WritePackageUri,
)
from sluice_common.messages.slots import CoverageClass

TARGET = "2.0"
_FOR_EVER = 90 * 86_400.0
_STARTS_AFTER = 1.0
"""Seconds from the accepted Package URI to the first block."""
RADIO: dict[CoverageClass, tuple[float, float]] = {
    CoverageClass.LEVEL_0: (-95.0, 12.0),
    CoverageClass.LEVEL_1: (-110.0, 2.0),
    CoverageClass.LEVEL_2: (-120.0, -5.0),
}
"""RSRP and SINR of a device of each class."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a device is like.

    Attributes:
        coverage: Its class.
        download: Seconds of its download.
        update: Seconds from Execute to its registration with the new version.
        wake_every: Seconds between two wake-ups; 0 for one that is always reachable.
        first_wake: Seconds until the first.
        awake_for: Seconds for which it stays reachable after it has spoken or been asked.
        answer: Seconds until it has answered one request.
    """

    coverage: CoverageClass
    download: float
    update: float
    wake_every: float = 0.0
    first_wake: float = 0.0
    awake_for: float = 20.0
    answer: float = 1.0


class World(Protocol):
    """Whom a device speaks to."""

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something later."""
        ...

    def report(self, event: DeviceEvent) -> None:
        """Hand an event to the rules."""
        ...


class SimulatedDevice:
    """A device with objects 3, 4 and 5, and what its gateway says of it."""

    def __init__(self, device_id: str, profile: Profile, world: World) -> None:
        self.device_id = device_id
        self.profile = profile
        self._world = world
        self._version = "1.0"
        self._state = FirmwareState.IDLE
        self._result = 0
        self._epoch = 1
        self._awake_until = 0.0
        self._attempt = ("", 0)

    def begin(self) -> None:
        """Register, then speak at each wake-up."""
        self._world.after(self.profile.first_wake, self._register)
        if self.profile.wake_every:
            self._world.after(self.profile.first_wake + self.profile.wake_every, self._wake)

    def take(self, command: Lwm2mCommand) -> None:
        """Take a command of the platform; the gateway answers for a device that sleeps, and closes downloads itself."""
        if not isinstance(command, DeviceRequests):
            self._outcome(command, OutcomeStatus.DONE)
        elif self._awake_until <= self._world.now:
            self._outcome(command, OutcomeStatus.ASLEEP)
        else:
            taken = self.profile.answer * len(command.requests)
            self._stay_awake(taken)
            self._world.after(taken, lambda: self._answer(command))

    def _answer(self, command: DeviceRequests) -> None:
        self._attempt = (command.execution_id or "", command.attempt)
        self._stay_awake()
        self._outcome(command, OutcomeStatus.DONE, tuple(self._result_of(request) for request in command.requests))

    def _result_of(self, request: DeviceRequest) -> RequestResult:
        if isinstance(request, Read | Observe):
            return RequestResult(path=request.path, code="2.05", values=self._values(request.path))
        if isinstance(request, WritePackageUri):
            self._world.after(_STARTS_AFTER, lambda: self._become(FirmwareState.DOWNLOADING))
            self._world.after(self.profile.download, lambda: self._become(FirmwareState.DOWNLOADED))
        elif isinstance(request, Execute):
            self._state = FirmwareState.UPDATING
            self._world.after(self.profile.update, self._restart)
        return RequestResult(path=getattr(request, "path", "/5/0/1"), code="2.04")

    def _values(self, path: str) -> dict[str, ResourceValue]:
        rsrp, sinr = RADIO[self.profile.coverage]
        if path == "/4/0":
            return {"/4/0/2": rsrp, "/4/0/8": 1, "/4/0/11": sinr}
        known: dict[str, ResourceValue] = {
            "/3/0/3": self._version,
            "/5/0/3": int(self._state),
            "/5/0/5": self._result,
        }
        return {path: known[path]}

    def _become(self, state: FirmwareState) -> None:
        self._state = state
        self._stay_awake()
        execution_id, attempt = self._attempt
        self._world.report(
            FirmwareStateNotified(
                **self._head(),
                execution_id=execution_id,
                attempt=attempt,
                state=int(state),
                awake_until=utc(self._awake_until),
                fetching=True,
            )
        )

    def _restart(self) -> None:
        self._version, self._state, self._result = TARGET, FirmwareState.IDLE, 1
        self._epoch += 1
        self._register()

    def _register(self) -> None:
        self._speak(UplinkKind.REGISTER)

    def _wake(self) -> None:
        self._speak(UplinkKind.UPDATE)
        self._world.after(self.profile.wake_every, self._wake)

    def _speak(self, kind: UplinkKind) -> None:
        self._stay_awake()
        sleeps = self.profile.wake_every > 0
        self._world.report(
            DeviceUplink(
                **self._head(),
                kind=kind,
                gateway=0,
                epoch=self._epoch,
                awake_until=utc(self._awake_until),
                queue_mode=sleeps,
            )
        )

    def _stay_awake(self, more: float = 0.0) -> None:
        stays = self.profile.awake_for if self.profile.wake_every else _FOR_EVER
        self._awake_until = max(self._awake_until, self._world.now + more + stays)

    def _outcome(self, command: Lwm2mCommand, status: OutcomeStatus, results: tuple[RequestResult, ...] = ()) -> None:
        self._world.report(
            CommandOutcome(
                **self._head(),
                command_id=command.command_id,
                execution_id=command.execution_id,
                attempt=command.attempt,
                status=status,
                results=results,
                awake_until=utc(self._awake_until),
            )
        )

    def _head(self) -> dict[str, Any]:
        return {"app_id": "app", "occurred_at": utc(self._world.now), "device_id": self.device_id}
