"""What a fleet of MQTT devices is: traits, fates and the end that each should come to. Data only; `plan` makes it."""

from dataclasses import dataclass
from enum import StrEnum

from sluice_simulator.fleet import Role, Stage
from sluice_simulator.mqtt.ota import ResultCode


class Behaviour(StrEnum):
    """What happens at a stage of an attempt."""

    SUCCEED = "succeed"
    FAIL = "fail"
    """The device reports `Fate.result` and stays as it is."""
    STALL = "stall"
    """It stays online, answers, and makes no progress."""
    DIE = "die"
    """It falls silent for ever."""
    POWER_CUT = "power-cut"
    """It loses its power, comes back and knows of no upgrade."""
    RECONNECT = "reconnect"
    """MQTT and HTTP connections break; it comes back and goes on where it was."""
    BLOCK = "block"
    """Its only thread downloads: it neither reads nor pings meanwhile, so that the broker gives it up."""
    KEEP_TOKEN = "keep-token"  # noqa: S105 - no password
    """It does nothing; at the next offer it tries this one's token first."""
    TOO_LATE = "too-late"
    """It does nothing, MQTT included, until the token has ended, and tries it then."""
    OLD_VERSION_FIRST = "old-version-first"
    """Before it restarts it reports success of the old version, as some SDKs' samples do."""
    KEEP_OLD_VERSION = "keep-old-version"
    """It reports success, with the old version, and nothing more."""


@dataclass(frozen=True, slots=True)
class Fate:
    """How one attempt goes.

    Attributes:
        behaviour: What happens.
        stage: Where; of no matter for `Behaviour.SUCCEED`.
        result: What `Behaviour.FAIL` reports.
        after: Share of the image that has come before it happens at `Stage.DOWNLOAD`.
    """

    behaviour: Behaviour = Behaviour.SUCCEED
    stage: Stage = Stage.UPDATE
    result: ResultCode = ResultCode.SUCCESS
    after: float = 0.5


@dataclass(frozen=True, slots=True)
class Manner:
    """How a device speaks: what differs between SDKs.

    Attributes:
        checks_time: Log in so that the platform checks the time.
        dashes: Write `event_time` with dashes and colons.
        event_ids: Send an `event_id`; else it is empty.
        chatty: Send `$sdk_info` and `$log` events once connected.
        parts: Ranged GETs per image; 0 for one GET of the whole.
        one_based: Ranges count from 1.
    """

    checks_time: bool = False
    dashes: bool = False
    event_ids: bool = False
    chatty: bool = False
    parts: int = 0
    one_based: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a device is; seconds.

    Attributes:
        keep_alive: Of its MQTT connection; whole seconds.
        reconnect_seconds: Before it connects again; doubles with each failure, up to 32 times this.
        download_seconds: A download in parts is spread over this time; one in a piece goes as fast as it comes.
        update_seconds: From the whole image to the reboot.
        reboot_seconds: Silence of a reboot.
    """

    keep_alive: int = 60
    reconnect_seconds: float = 1.0
    download_seconds: float = 0.0
    update_seconds: float = 0.0
    reboot_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class MqttSpec:
    """One device.

    Attributes:
        index: Position in the fleet; with the seed it names the device's chance.
        endpoint: Its node id, as the app server knows it.
        version: Firmware at the start.
        target_version: Firmware after a successful update.
        manner: How it speaks.
        pace: Its speed.
        online: Whether it ever connects.
        mute: Whether it leaves `version_query` unanswered.
        fates: By attempt; the last one repeats.
        kind: Name of its behaviour, see `kinds`.
        role: Its task.
        expected: `SUCCEEDED`, `FAILED` or `STOPPED`.
        expected_reasons: Reason codes that are right for this end, the usual one first; empty for none.
    """

    index: int
    endpoint: str
    version: str
    target_version: str
    manner: Manner = Manner()
    pace: Pace = Pace()
    online: bool = True
    mute: bool = False
    fates: tuple[Fate, ...] = (Fate(),)
    kind: str = "healthy"
    role: Role = Role.MAIN
    expected: str = "SUCCEEDED"
    expected_reasons: tuple[str, ...] = ()

    def fate(self, attempt: int) -> Fate:
        """How attempt number `attempt`, from 1, goes."""
        return self.fates[min(attempt, len(self.fates)) - 1]


@dataclass(frozen=True, slots=True)
class MqttPlan:
    """All devices of a run and the seed that they came from."""

    seed: int
    devices: tuple[MqttSpec, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """What the platform gave a device.

    Attributes:
        device_id: User name of its log-in and part of its topics.
        secret: Shared with the platform.
    """

    device_id: str
    secret: str
