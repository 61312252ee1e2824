"""A gateway with healthy devices behind it, simulated at the topics: answers commands as they would.

Each device registers, answers every request, notifies its firmware states, restarts after the Execute and registers
anew; it takes no time for any of it. Leaves out the network, sleep and every fault.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sluice_common.messages.base import now, utc
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
    CloseDownload,
    DeviceRequest,
    DeviceRequests,
    Execute,
    Lwm2mCommand,
    Observe,
    Read,
    WritePackageUri,
)

GATEWAY: Final = 0
"""Its ordinal: the partition of its commands."""
_APP: Final = "bench"
_AWAKE: Final = 86_400.0
_IDLE, _DOWNLOADING, _DOWNLOADED, _UPDATING = FirmwareState
_SUCCESS: Final = 1


@dataclass
class _Device:
    cell_id: int
    version: str
    epoch: int = 1
    state: int = _IDLE
    result: int = 0


class SimulatedGateway:
    """Devices by id, and what they say.

    Args:
        cells: The cell of each device.
        source: Version that they run.
        target: Version that they run after an Execute.
        endless: Whether their downloads begin and never end.
    """

    def __init__(self, cells: dict[str, int], source: str, target: str, *, endless: bool = False) -> None:
        self._devices = {device_id: _Device(cell_id, source) for device_id, cell_id in cells.items()}
        self._target = target
        self._endless = endless
        self._answered: set[str] = set()

    def registrations(self) -> Iterator[DeviceEvent]:
        """Yield the first uplink of each device."""
        for device_id in self._devices:
            yield self._uplink(device_id)

    def answer(self, command: Lwm2mCommand) -> Sequence[DeviceEvent]:
        """Return what follows from a command; nothing if it came before."""
        if command.command_id in self._answered:
            return ()
        self._answered.add(command.command_id)
        if isinstance(command, CloseDownload):
            return (self._outcome(command, ()),) if command.is_awaited else ()
        device = self._devices[command.device_id]
        results = tuple(self._result(device, request) for request in command.requests)
        return (self._outcome(command, results), *self._consequences(command, device))

    def _result(self, device: _Device, request: DeviceRequest) -> RequestResult:
        if isinstance(request, Read | Observe):
            return RequestResult(path=request.path, code="2.05", values=_values(device, request.path))
        path = "/5/0/1" if isinstance(request, WritePackageUri) else request.path
        return RequestResult(path=path, code="2.04")

    def _consequences(self, command: DeviceRequests, device: _Device) -> Iterator[DeviceEvent]:
        for request in command.requests:
            if isinstance(request, WritePackageUri):
                yield self._notified(command, device, _DOWNLOADING)
                if not self._endless:
                    yield self._notified(command, device, _DOWNLOADED)
            elif isinstance(request, Execute):
                yield self._notified(command, device, _UPDATING)
                device.epoch += 1
                device.version, device.state, device.result = self._target, _IDLE, _SUCCESS
                yield self._uplink(command.device_id)

    def _outcome(self, command: Lwm2mCommand, results: tuple[RequestResult, ...]) -> CommandOutcome:
        return CommandOutcome(
            **_head(command.device_id),
            command_id=command.command_id,
            execution_id=command.execution_id,
            attempt=command.attempt,
            status=OutcomeStatus.DONE,
            results=results,
            awake_until=utc(time.time() + _AWAKE),
        )

    def _notified(self, command: DeviceRequests, device: _Device, state: int) -> FirmwareStateNotified:
        device.state = state
        return FirmwareStateNotified(
            **_head(command.device_id),
            execution_id=command.execution_id or "",
            attempt=command.attempt,
            state=state,
            awake_until=utc(time.time() + _AWAKE),
        )

    def _uplink(self, device_id: str) -> DeviceUplink:
        return DeviceUplink(
            **_head(device_id),
            kind=UplinkKind.REGISTER,
            gateway=GATEWAY,
            epoch=self._devices[device_id].epoch,
            awake_until=utc(time.time() + _AWAKE),
        )


def _head(device_id: str) -> dict[str, Any]:
    return {"app_id": _APP, "occurred_at": now(), "device_id": device_id}


def _values(device: _Device, path: str) -> dict[str, ResourceValue]:
    """Return the values below a path of a device with good coverage."""
    everything: dict[str, ResourceValue] = {
        "/3/0/3": device.version,
        "/4/0/2": -90,
        "/4/0/8": device.cell_id,
        "/4/0/11": 12,
        "/5/0/3": device.state,
        "/5/0/5": device.result,
    }
    return {name: value for name, value in everything.items() if name == path or name.startswith(f"{path}/")}
