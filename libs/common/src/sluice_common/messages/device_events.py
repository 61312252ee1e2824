"""`device-events`, key device_id: everything that the rules of one device must hear, in order."""

from datetime import datetime
from enum import IntEnum

from sluice_common.messages.base import Message, Value
from sluice_common.messages.lwm2m_commands import DeviceRequest
from sluice_common.messages.slots import Grant, WindowKey
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_common.open_enum import OpenStrEnum
from sluice_common.reasons import ReasonCode

ResourceValue = str | int | float | bool | None


class ExecutionRequested(Message, frozen=True, kw_only=True):
    """A task wants this device upgraded; published once or more by the relay with the same ids."""

    device_id: str
    execution_id: str
    task_id: str
    product: ProductSnapshot
    package: PackageSnapshot
    policy: UpgradePolicy = UpgradePolicy()
    created_at: datetime


class ExecutionStopRequested(Message, frozen=True, kw_only=True):
    """The task was stopped; recorded even for an execution that is not known yet.

    Attributes:
        device_id: The device.
        execution_id: What shall stop.
        task_id: Its task.
        reason: Why the platform stops it, which makes it FAILED; None if a user does, which makes it STOPPED.
    """

    device_id: str
    execution_id: str
    task_id: str
    reason: ReasonCode | None = None


class DeviceCommandRequested(Message, frozen=True, kw_only=True):
    """An app server wants a request sent to the device (R111); waits for the next uplink until it expires."""

    device_id: str
    command_id: str
    request: DeviceRequest
    expires_at: datetime


class DeviceCommandCancelRequested(Message, frozen=True, kw_only=True):
    """An app server takes a pending device command back."""

    device_id: str
    command_id: str


class UplinkKind(OpenStrEnum):
    """What the device sent."""

    REGISTER = "register"
    UPDATE = "update"
    NOTIFY = "notify"
    DATA = "data"


class DeviceUplink(Message, frozen=True, kw_only=True):
    """The device spoke: once per awake window, and at every registration (R061).

    Attributes:
        device_id: The device.
        kind: What it sent.
        gateway: Ordinal of the gateway that owns the registration: the partition of its commands.
        epoch: Grows with every registration of the device.
        awake_until: Until when it can be reached without a further uplink (the lifetime's end unless in queue mode).
        queue_mode: Whether it sleeps (OMA TS 1.1.1 §6.6).
    """

    device_id: str
    kind: UplinkKind
    gateway: int
    epoch: int
    awake_until: datetime
    queue_mode: bool = False


class DeviceDeregistered(Message, frozen=True, kw_only=True):
    """The device de-registered or its lifetime ended."""

    device_id: str
    epoch: int


class OutcomeStatus(OpenStrEnum):
    """How a command ended at the gateway.

    `done`: the device answered every request that was sent; see each result's code.
    `asleep`: the device is out of reach; nothing was sent, ask again at its next uplink.
    `timeout`: sent, not answered.
    `stale`: expired, another epoch, or not this gateway's device; nothing was sent.
    `already_sent`: an Execute met again; nothing was sent, read the state instead.
    """

    DONE = "done"
    ASLEEP = "asleep"
    TIMEOUT = "timeout"
    STALE = "stale"
    ALREADY_SENT = "already_sent"


class RequestResult(Value, frozen=True, kw_only=True):
    """The device's answer to one request.

    Attributes:
        path: The requested path.
        code: CoAP response code, for example `2.05`, `4.04`.
        values: Resource path → value for Read and Observe; empty otherwise.
        error: Why a payload could not be decoded.
        max_age: Seconds after which a busy device wants to be asked again: Max-Age of 5.03 (RFC 7252 §5.9.3.4) and of
            4.29 (RFC 8516 §3); None for every other code.
    """

    path: str
    code: str
    values: dict[str, ResourceValue] = {}
    error: str | None = None
    max_age: int | None = None

    @property
    def ok(self) -> bool:
        """Return whether the device accepted the request and its payload was understood."""
        return self.code.startswith("2.") and self.error is None


class CommandOutcome(Message, frozen=True, kw_only=True):
    """How a command of `lwm2m-commands` ended; results stand in the order of the requests that were answered.

    Attributes:
        device_id: The device.
        command_id: The command.
        execution_id: As in the command.
        attempt: As in the command.
        status: How it ended.
        results: The device's answers.
        awake_until: As in `DeviceUplink`.
        fetching: The device has asked for a block of the attempt's image since it was given the Package URI, as far as
            this run of the gateway knows.
    """

    device_id: str
    command_id: str
    execution_id: str | None = None
    attempt: int = 0
    status: OutcomeStatus
    results: tuple[RequestResult, ...] = ()
    awake_until: datetime | None = None
    fetching: bool = False


class FirmwareState(IntEnum):
    """State of the firmware update object, `/5/0/3` (OMA TS 1.1.1 §E.6)."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


class FirmwareStateNotified(Message, frozen=True, kw_only=True):
    """A notification of the observed `/5/0/3`, for the attempt that observed it.

    Attributes:
        device_id: The device.
        execution_id: The execution whose observation it belongs to.
        attempt: Its attempt.
        state: As in `FirmwareState`.
        awake_until: As in `DeviceUplink`.
        fetching: As in `CommandOutcome`.
    """

    device_id: str
    execution_id: str
    attempt: int
    state: int
    awake_until: datetime | None = None
    fetching: bool = False


class VersionReported(Message, frozen=True, kw_only=True):
    """An MQTT device reported its versions (`version_report`), asked or not.

    Attributes:
        device_id: The device.
        firmware_version: `fw_version`, None if it sent none.
        software_version: `sw_version`, None if it sent none.
        live: Whether the device seemed to be connected when its message came: a will, or what has waited in a queue,
            may be the word of one that has gone.
    """

    device_id: str
    firmware_version: str | None = None
    software_version: str | None = None
    live: bool = True


class UpgradeProgressReported(Message, frozen=True, kw_only=True):
    """An MQTT device reported how its upgrade goes (`upgrade_progress_report`); it does not say which one.

    Attributes:
        device_id: The device.
        result_code: 0 for progress and success, otherwise why it failed (`sluice_common.reasons.MQTT_RESULTS`).
        progress: Percent, None if it sent none.
        version: The version that it runs or works at, None if it sent none.
        description: Its own words.
        live: As of `VersionReported`.
    """

    device_id: str
    result_code: int
    progress: int | None = None
    version: str | None = None
    description: str = ""
    live: bool = True


class DownloadProgressed(Message, frozen=True, kw_only=True):
    """The HTTP download served bytes: told at the first, then at most once a minute, and at the last.

    Attributes:
        device_id: The device.
        execution_id: The execution that the download's token names.
        attempt: The attempt that it names.
        complete: The last byte of the image has been served.
    """

    device_id: str
    execution_id: str
    attempt: int
    complete: bool = False


class SlotGranted(Message, frozen=True, kw_only=True):
    """The window gave the attempt a slot."""

    device_id: str
    window: WindowKey
    grant: Grant


class SlotProbed(Message, frozen=True, kw_only=True):
    """The window asks whether the grant is still needed: answered by `SlotHold` or `SlotReturn`."""

    device_id: str
    window: WindowKey
    grant: Grant


class DeadlinePassed(Message, frozen=True, kw_only=True):
    """A deadline of the device's record has passed; ignored unless the record still has exactly it.

    Attributes:
        device_id: The device.
        subject: The execution id, or the command id of a device command.
        attempt: The attempt; 0 for device commands.
        step: The step that the deadline belongs to.
        deadline: The deadline, seconds since 1970, to the letter.
    """

    device_id: str
    subject: str
    attempt: int
    step: str
    deadline: float


class DeviceDeleted(Message, frozen=True, kw_only=True):
    """The platform has deleted the device so long ago that nothing of it can come late any more: its record goes."""

    device_id: str


DeviceEvent = (
    ExecutionRequested
    | ExecutionStopRequested
    | DeviceCommandRequested
    | DeviceCommandCancelRequested
    | DeviceUplink
    | DeviceDeregistered
    | CommandOutcome
    | FirmwareStateNotified
    | VersionReported
    | UpgradeProgressReported
    | DownloadProgressed
    | SlotGranted
    | SlotProbed
    | DeadlinePassed
    | DeviceDeleted
)
