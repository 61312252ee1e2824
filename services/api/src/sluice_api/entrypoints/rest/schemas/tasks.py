"""Tasks and their executions."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from sluice_api.domain import models
from sluice_api.entrypoints.rest.schemas.base import (
    Body,
    Created,
    Identifier,
    Item,
    Name,
    Page,
    Query,
    Time,
    example,
)
from sluice_api.entrypoints.rest.schemas.enums import KnownExecutionStatus, TaskResult, TaskStatus
from sluice_common.messages import execution_events
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.slots import CoverageClass
from sluice_common.messages.snapshots import Timeouts as TimeoutDefaults
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_common.reasons import reason_text

MAX_DEVICES = 10_000
MAX_GROUPS = 256
MAX_RETRIES = 5
_DAY = 86_400
RetriedStatus = Literal["FAILED", "STOPPED"]
_LONGEST = 30 * _DAY
_POLICY = UpgradePolicy()
_TIMEOUTS = TimeoutDefaults()


def _seconds(default: float, description: str) -> Any:
    return Field(default, gt=0, le=_LONGEST, description=f"Seconds. {description}")


class Timeouts(Body):
    """Deadlines of the steps, in seconds (D07)."""

    online: float = _seconds(_TIMEOUTS.online, "Wait for an uplink.")
    version: float = _seconds(_TIMEOUTS.version, "Answer to the version query.")
    coverage: float = _seconds(_TIMEOUTS.coverage, "Answer to the coverage and the cell query, each.")
    observe: float = _seconds(_TIMEOUTS.observe, "Answer to Observe and to the write of the Package URI.")
    download_start: float = _seconds(_TIMEOUTS.download_start, "From the accepted URI to Firmware State 1.")
    download: float = _seconds(_TIMEOUTS.download, "From the URI to Firmware State 2.")
    mqtt_download: float = _seconds(
        _TIMEOUTS.mqtt_download, "MQTT: from the offer to the last byte; the token lives a day at most (R099)."
    )
    update_start: float = _seconds(_TIMEOUTS.update_start, "From the accepted Execute to Firmware State 3.")
    update: float = _seconds(_TIMEOUTS.update, "From Execute to the result.")
    result: float = _seconds(_TIMEOUTS.result, "Answer to the result query.")
    cancel_observe: float = _seconds(_TIMEOUTS.cancel_observe, "Answer to Cancel Observe; at most 5 s are waited.")
    slot_response: float = _seconds(_TIMEOUTS.slot_response, "A silent grantee returns its slot after this.")
    close: float = _seconds(_TIMEOUTS.close, "Answer of the gateway to a close of the download.")


class Policy(Body):
    """How the task treats each device."""

    waiting: float = Field(_POLICY.waiting, ge=0, le=_DAY, description="Seconds in WAITING (R117).")
    max_retries: int = Field(0, ge=0, le=MAX_RETRIES, description="Further attempts after a failed one (R134).")
    retry_interval: float = Field(
        _POLICY.retry_interval, ge=0, le=_DAY, description="Seconds from a failure to the next attempt (R135)."
    )
    start_at: Time | None = Field(None, description="Nothing is sent before this.")
    end_at: Time | None = Field(None, description="Executions that still wait then fail.")
    timeouts: Timeouts = Timeouts()

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.start_at is not None and self.end_at is not None and self.end_at <= self.start_at:
            raise ValueError("end_at must lie after start_at")
        return self


class Targets(Body):
    """Which devices: a list, groups, or those whose executions of another task have failed."""

    device_ids: list[Identifier] | None = Field(None, min_length=1, max_length=MAX_DEVICES)
    group_ids: list[Identifier] | None = Field(None, min_length=1, max_length=MAX_GROUPS)
    failed_of: Identifier | None = Field(None, description="A task: its devices that failed are upgraded again.")
    statuses: list[RetriedStatus] | None = Field(
        None, min_length=1, max_length=2, description="Of `failed_of`: which executions; FAILED if it is not given."
    )

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if sum(given is not None for given in (self.device_ids, self.group_ids, self.failed_of)) != 1:
            raise ValueError("give one of device_ids, group_ids and failed_of")
        if self.statuses is not None and self.failed_of is None:
            raise ValueError("statuses go with failed_of only")
        return self

    def targets(self) -> models.Targets:
        """Return the targets, each once and in order."""
        return models.Targets(
            device_ids=None if self.device_ids is None else tuple(sorted(set(self.device_ids))),
            group_ids=None if self.group_ids is None else tuple(sorted(set(self.group_ids))),
            failed_of=self.failed_of,
            statuses=self._statuses(),
        )

    def _statuses(self) -> tuple[ExecutionStatus, ...]:
        if self.failed_of is None:
            return ()
        return tuple(sorted({ExecutionStatus(status) for status in self.statuses or ["FAILED"]}))


class TaskIn(Body):
    """A new task (R130–R137)."""

    model_config = example(
        name="District 7 to 2.0.1",
        package_id="6745c1f0a1b2c3d4e5f60718",
        targets={"group_ids": ["6745c1f0a1b2c3d4e5f6071a"]},
        policy={"max_retries": 2, "retry_interval": 120},
    )

    name: Name
    package_id: Identifier
    targets: Targets
    policy: Policy = Policy()


class Progress(Item):
    """How many executions are in which state; they add up to `total`."""

    total: int = Field(description="Grows while the task is EXPANDING, then is fixed.")
    waiting: int
    running: int
    succeeded: int
    failed: int
    stopped: int


class TaskTargets(Item):
    """Targets of a task; lists of tasks leave out `device_ids`."""

    device_ids: list[str] | None = None
    group_ids: list[str] | None = None
    failed_of: str | None = None
    statuses: list[ExecutionStatus] = []


class Reason(Item):
    """Why: a code with its parameters and both texts (D14)."""

    code: str = Field(examples=["download_timeout"])
    params: dict[str, str] = {}
    text: str
    text_zh: str

    @model_validator(mode="before")
    @classmethod
    def _with_texts(cls, reason: Any) -> Any:
        if not isinstance(reason, execution_events.Reason):
            return reason
        texts = {
            "text": reason_text(reason.code, reason.params),
            "text_zh": reason_text(reason.code, reason.params, "zh"),
        }
        return {"code": reason.code.value, "params": reason.params} | texts


class Task(Created):
    """A task."""

    model_config = example(
        task_id="6745c1f0a1b2c3d4e5f6071b",
        name="District 7 to 2.0.1",
        package_id="6745c1f0a1b2c3d4e5f60718",
        target_version="2.0.1",
        targets={"group_ids": ["6745c1f0a1b2c3d4e5f6071a"]},
        policy={"max_retries": 2, "retry_interval": 120},
        status="RUNNING",
        result=None,
        progress={"total": 300, "waiting": 0, "running": 120, "succeeded": 170, "failed": 10, "stopped": 0},
        created_at="2026-11-22T12:00:00Z",
        ended_at=None,
    )

    task_id: str
    name: str
    package_id: str
    target_version: str
    targets: TaskTargets
    policy: Policy
    status: TaskStatus
    result: TaskResult | None = Field(None, description="When the task has ended; null for one that had no executions.")
    progress: Progress
    stop_reason: Reason | None = Field(None, description="Why the platform stopped it; null if a user did.")
    ended_at: datetime | None = None


class TaskPage(Page):
    """Tasks."""

    items: list[Task]


class TaskQuery(Query):
    """Filters of the list of tasks."""

    status: TaskStatus | None = None
    package_id: str | None = None

    def wanted(self) -> models.TaskFilter:
        """Return the filters."""
        return models.TaskFilter(status=self.status, package_id=self.package_id)


class Coverage(Item):
    """Radio coverage that the device reported."""

    cell_id: int
    rsrp: float | None = Field(None, description="dBm.")
    sinr: float | None = Field(None, description="dB.")
    coverage_class: CoverageClass = Field(description="`cell-only` unless both RSRP and SINR were told.")
    network: str
    bearer: int | None = Field(None, description="Network bearer, `/4/0/0`; 7 is NB-IoT.")
    link_quality: float | None = Field(None, description="`/4/0/3`, as the bearer measures it; for NB-IoT NRSRQ.")


class HistoryEntry(Item):
    """One thing that happened."""

    at: datetime
    attempt: int
    step: Step
    reason: Reason | None = None


class Execution(Created):
    """One device in one task."""

    model_config = example(
        execution_id="6745c1f0a1b2c3d4e5f6071b:6745c1f0a1b2c3d4e5f60718",
        task_id="6745c1f0a1b2c3d4e5f6071b",
        device_id="6745c1f0a1b2c3d4e5f60718",
        endpoint="urn:imei:861234567890123",
        status="RUNNING",
        step="DOWNLOADING",
        attempt=1,
        max_retries=2,
        source_version="1.0.0",
        target_version="2.0.1",
        reported_version="1.0.0",
        coverage={"cell_id": 4711, "rsrp": -98, "sinr": 9, "coverage_class": "level-0", "network": "default"},
        firmware_state=1,
        reason=None,
        created_at="2026-11-22T12:00:00Z",
        started_at="2026-11-22T12:00:10Z",
        ended_at=None,
        next_attempt_at=None,
        history=[{"at": "2026-11-22T12:00:10Z", "attempt": 1, "step": "AWAIT_ONLINE", "reason": None}],
    )

    execution_id: str
    task_id: str
    device_id: str
    endpoint: str
    status: ExecutionStatus
    step: Step
    attempt: int
    max_retries: int
    source_version: str | None = None
    target_version: str
    reported_version: str | None = None
    coverage: Coverage | None = None
    firmware_state: int | None = Field(None, description="`/5/0/3`: 0 idle, 1 downloading, 2 downloaded, 3 updating.")
    reason: Reason | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    next_attempt_at: datetime | None = None
    stop_requested: bool = Field(default=False, description="It alone is to be stopped; it may still come to its end.")
    history: list[HistoryEntry] = []


class ExecutionPage(Page):
    """Executions."""

    items: list[Execution]


class ExecutionQuery(Query):
    """Filters of a list of executions."""

    status: KnownExecutionStatus | None = None


class TaskExecutionQuery(ExecutionQuery):
    """Filters of the list of a task's executions."""

    device_id: str | None = None
