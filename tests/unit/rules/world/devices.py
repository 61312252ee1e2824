"""An LwM2M device as a model."""

from collections import Counter
from dataclasses import dataclass, field

from sluice_common.messages.device_events import (
    RequestResult,
    ResourceValue,
)
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    DeviceRequest,
    Execute,
    Observe,
    Read,
    Write,
    WritePackageUri,
)
from sluice_rules.devices.judgements import DOWNLOADED, IDLE, UPDATING

OLD = "1.0"
Attempt = tuple[str, int]


@dataclass
class Device:
    """An LwM2M device with objects 3, 4 and 5."""

    device_id: str
    radio: dict[str, ResourceValue]
    epoch: int = 0
    awake_until: float = 0.0
    alive: bool = True
    version: str = OLD
    state: int = 0
    result: int = 0
    has_uri: bool = False
    target: str = ""
    observed: bool = False
    reported: bool = True
    executed: Counter[Attempt] = field(default_factory=Counter)

    def answer(self, request: DeviceRequest, attempt: Attempt) -> RequestResult:
        """Answer one request."""
        path = getattr(request, "path", "/5/0/1")
        match request:
            case Read() | Observe():
                self.observed = self.observed or isinstance(request, Observe)
                return RequestResult(path=path, code="2.05", values=self._values(path))
            case WritePackageUri() if self.state != IDLE:
                return RequestResult(path=path, code="4.05")
            case WritePackageUri():
                self.has_uri, self.result, self.reported = True, 0, False
                self.target = attempt[0].partition(":")[0]
            case Write():
                self.has_uri, self.state, self.result = False, 0, 0
            case Execute() if self.state != DOWNLOADED:
                return RequestResult(path=path, code="4.05")
            case Execute():
                self.executed[attempt] += 1
                self.state = UPDATING
            case CancelObserve():
                self.observed = False
        return RequestResult(path=path, code="2.04")

    def _values(self, path: str) -> dict[str, ResourceValue]:
        if path == "/4/0":
            return dict(self.radio)
        if path == "/5/0/5":
            self.reported = self.reported or self.result != 0
        known: dict[str, ResourceValue] = {
            "/3/0/3": self.version,
            "/5/0/3": self.state,
            "/5/0/5": self.result,
            "/4/0/8": self.radio.get("/4/0/8"),
        }
        return {path: known[path]}


def radio(number: int) -> dict[str, ResourceValue]:
    """What a device reports of its radio: two cells, two classes."""
    return {"/4/0/2": -95, "/4/0/8": 1 + number // 3, "/4/0/11": 12}
