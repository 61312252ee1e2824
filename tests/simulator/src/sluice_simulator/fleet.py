"""What a fleet is: each device's traits, fates and the end that it should come to. Data only; `plan` makes it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from sluice_simulator.coverage import LIMITS, Coverage, RadioClass, Window, radio_class
from sluice_simulator.dialects import Dialect

NO_ANSWER: Final = 0
"""In `DeviceSpec.read_errors`: the device never answers this path."""
_CROWD: Final = 1.4
"""Sound devices per slot that are sure to queue, although they do not all ask in the same moment."""


class Result(IntEnum):
    """Update Result, `/5/0/5` (OMA TS 1.1.1 §E.6)."""

    INITIAL = 0
    SUCCESS = 1
    NOT_ENOUGH_STORAGE = 2
    OUT_OF_MEMORY = 3
    CONNECTION_LOST = 4
    INTEGRITY_CHECK_FAILED = 5
    UNSUPPORTED_PACKAGE_TYPE = 6
    INVALID_URI = 7
    UPDATE_FAILED = 8
    UNSUPPORTED_PROTOCOL = 9


class Stage(StrEnum):
    """Where in an attempt something happens."""

    OFFER = "offer"
    """The Write of the Package URI, `/5/0/1`."""
    DOWNLOAD = "download"
    """While blocks are fetched, after `Fate.after_blocks` of them."""
    UPDATE = "update"
    """The Execute of `/5/0/2` and what follows."""


class Behaviour(StrEnum):
    """What happens there."""

    SUCCEED = "succeed"
    FAIL = "fail"
    """The attempt fails with `Fate.result`."""
    REFUSE = "refuse"
    """The request is answered 4.05; not at `Stage.DOWNLOAD`, which has none."""
    STALL = "stall"
    """The device goes on answering and makes no progress."""
    DIE = "die"
    """The device falls silent for ever."""
    POWER_CUT = "power-cut"
    """The device reboots and reports the attempt as failed, connection lost."""
    KEEP_OLD_VERSION = "keep-old-version"
    """The update reports success, the version stays."""


@dataclass(frozen=True, slots=True)
class Fate:
    """How one attempt goes.

    Attributes:
        behaviour: What happens.
        stage: Where; of no matter for `Behaviour.SUCCEED`.
        result: Update Result of `Behaviour.FAIL`.
        after_blocks: Blocks served before it happens at `Stage.DOWNLOAD`.
    """

    behaviour: Behaviour = Behaviour.SUCCEED
    stage: Stage = Stage.UPDATE
    result: Result = Result.INITIAL
    after_blocks: int = 0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a device speaks of itself and how long it listens.

    Attributes:
        report_seconds: Between registration updates.
        jitter: Share of `report_seconds` by which each interval varies, both ways.
        awake_seconds: How long it listens after each packet that it sends; None if always.
        rebinds: Whether it wakes from sleep with a new local port, as behind a NAT.
        idle_reboot_seconds: Mean time between reboots outside upgrades; 0 for none.
    """

    report_seconds: float
    jitter: float = 0.2
    awake_seconds: float | None = None
    rebinds: bool = False
    idle_reboot_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Radio:
    """What the air does to each packet, both ways.

    Attributes:
        loss: Probability that a packet is lost.
        delay_seconds: One-way delay.
        repeats: Probability that a packet that arrives arrives once more, a little later.
    """

    loss: float = 0.0
    delay_seconds: float = 0.0
    repeats: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a device goes through an upgrade.

    Attributes:
        block_exponent: SZX of RFC 7959 §2.2: blocks of 2**(SZX + 4) bytes.
        download_seconds: The download is spread over this time; 0 for as fast as it goes.
        update_seconds: From Execute to reboot.
        reboot_seconds: Silence of a reboot.
        answer_delay_seconds: 0: piggybacked responses; else separate ones after this time (RFC 7252 §5.2.2).
    """

    block_exponent: int = 6
    download_seconds: float = 0.0
    update_seconds: float = 0.0
    reboot_seconds: float = 0.0
    answer_delay_seconds: float = 0.0


class Role(StrEnum):
    """Which task of a campaign the device belongs to."""

    MAIN = "main"
    TO_STOP = "to-stop"
    """The user stops the task while this device downloads."""
    NO_CAPABILITY = "no-capability"
    """Its product model must not support firmware upgrade (R015)."""
    ONE_BASED = "one-based"
    """MQTT: its product model must say that ranges count from 1 (D13); that needs a package and a task of its own."""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device.

    Attributes:
        index: Position in the fleet; with the seed it names the device's chance.
        endpoint: LwM2M endpoint name.
        cell: Cell ID, `/4/0/8`.
        coverage: What it reports of its radio.
        dialect: How it speaks.
        rhythm: When it speaks and listens.
        radio: Its link.
        pace: Its speed.
        version: `/3/0/3` at the start.
        target_version: `/3/0/3` after a successful update.
        online: Whether it ever registers.
        read_errors: Path → response code with which a Read is refused, or `NO_ANSWER`.
        fates: By attempt; the last one repeats.
        moves_to: Cell ID after the first attempt; None if it stays.
        kind: Name of its behaviour, see `kinds`.
        role: Its task.
        expected: `SUCCEEDED`, `FAILED` or `STOPPED`.
        expected_reasons: Reason codes that are right for this end, the usual one first; empty for none.
    """

    index: int
    endpoint: str
    cell: int
    coverage: Coverage
    dialect: Dialect
    rhythm: Rhythm
    radio: Radio
    pace: Pace
    version: str
    target_version: str
    online: bool = True
    read_errors: Mapping[str, int] = field(default_factory=dict)
    fates: tuple[Fate, ...] = (Fate(),)
    moves_to: int | None = None
    kind: str = "healthy"
    role: Role = Role.MAIN
    expected: str = "SUCCEEDED"
    expected_reasons: tuple[str, ...] = ()

    @property
    def expected_reason(self) -> str | None:
        """The usual reason code of its end."""
        return self.expected_reasons[0] if self.expected_reasons else None

    @property
    def window(self) -> Window:
        """The window that its readings lead to."""
        if "/4/0" in self.read_errors:
            return self.cell, RadioClass.CELL_ONLY
        return self.cell, radio_class(self.coverage.rsrp, self.coverage.sinr)

    def fate(self, attempt: int) -> Fate:
        """How attempt number `attempt`, from 1, goes."""
        return self.fates[min(attempt, len(self.fates)) - 1]


@dataclass(frozen=True, slots=True)
class Tuning:
    """CoAP transmission parameters of all devices (RFC 7252 §4.8), seconds.

    Attributes:
        ack_timeout: First retransmission time-out, before the random factor.
        ack_random_factor: Upper end of that factor; the lower is 1.
        max_retransmit: Retransmissions after the first transmission.
        response_timeout: Wait for a separate response after its request was acknowledged.
        exchange_lifetime: How long a received message id counts as a duplicate.
        lifetime: `lt` of the registration.
        register_retry: Wait after a failed registration; doubles up to 32 times this.
    """

    ack_timeout: float = 2.0
    ack_random_factor: float = 1.5
    max_retransmit: int = 4
    response_timeout: float = 60.0
    exchange_lifetime: float = 247.0
    lifetime: int = 86_400
    register_retry: float = 2.0


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """All devices of a run and the seed that they came from."""

    seed: int
    devices: tuple[DeviceSpec, ...]
    tuning: Tuning = Tuning()

    def cells(self) -> Counter[int]:
        """Devices by cell ID."""
        return Counter(device.cell for device in self.devices)

    def crowded_classes(self) -> set[RadioClass]:
        """Classes with a window that sound devices are sure to fill and queue for."""
        sound = Counter(device.window for device in self.devices if device.kind == "healthy")
        return {of_class for (_, of_class), count in sound.items() if count >= _CROWD * LIMITS[of_class]}

    def expectations(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Endpoint name → expected end and the reason codes that are right for it."""
        return {spec.endpoint: (spec.expected, spec.expected_reasons) for spec in self.devices}
