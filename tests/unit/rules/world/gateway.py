"""The LwM2M gateway as a model."""

from dataclasses import dataclass

from tests.unit.rules.world.devices import Attempt, Device
from tests.unit.rules.world.windows import head

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import (
    CommandOutcome,
    OutcomeStatus,
    RequestResult,
)
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    CloseDownload,
    DeviceRequests,
    Execute,
    Lwm2mCommand,
    Observe,
    WritePackageUri,
)


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
        """Run a command; a fate of `request_lost`, `answer_lost` or `busy` meets its last request."""
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
            if lost == "busy":
                self.executes.discard(command.command_id)
                results.append(RequestResult(path=getattr(request, "path", "/5/0/1"), code="5.03", max_age=20))
                break
            result = device.answer(request, attempt)
            if lost == "answer_lost":
                return OutcomeStatus.TIMEOUT, tuple(results)
            results.append(result)
            if not result.ok:
                break
        return OutcomeStatus.DONE, tuple(results)
