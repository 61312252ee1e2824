"""A fleet of MQTT devices from one seed: SDKs' manners, and the share that fails on purpose."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from sluice_simulator.fleet import Role
from sluice_simulator.kinds import Running
from sluice_simulator.mqtt.fleet import Behaviour, Manner, MqttPlan, MqttSpec, Pace
from sluice_simulator.mqtt.kinds import HEALTHY, KINDS, Kind

_STOPPED_TAKES: Final = 10.0
_MAX_PARTS: Final = 16


def _option(default: Any, text: str) -> Any:
    """A field with the text that a command line shows for it."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """What a fleet should be like; shares are of all devices, between 0 and 1, times in seconds."""

    devices: int = _option(100, "number of devices")
    seed: int = _option(1, "seed of every random choice")
    endpoint_prefix: str = _option("mqtt", "node ids are PREFIX-SEED-NUMBER")
    source_version: str = _option("1.0.0", "firmware version at the start")
    target_version: str = _option("2.0.0", "firmware version after an upgrade")
    foreign_version: str = _option("0.1.0", "version of devices that the package does not support")
    retries: int = _option(1, "retries that the campaign allows; decides which ends are expected")
    failing: float = _option(0.3, "share of devices that misbehave on purpose, every kind in turn")
    uniform: bool = _option(default=False, text="all devices alike: one GET each, no chatter")
    keep_alive: int = _option(60, "of MQTT connections, whole seconds")
    reconnect_seconds: float = _option(1.0, "pause before connecting again")
    download_seconds: float = _option(0.0, "how long a download in parts takes")
    update_seconds: float = _option(1.0, "from the whole image to the reboot")
    reboot_seconds: float = _option(1.0, "silence of a reboot")

    def __post_init__(self) -> None:
        """Refuse what makes no fleet.

        Raises:
            ValueError: Names the option.
        """
        if self.devices <= 0:
            raise ValueError("devices must be above 0")
        if not 0 <= self.failing <= 1:
            raise ValueError("failing must lie between 0 and 1")
        for name in self.__slots__:
            if (name.endswith("_seconds") or name == "keep_alive") and getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")


def make_plan(options: MqttOptions) -> MqttPlan:
    """The fleet that these options and their seed name."""
    kinds = _kinds(options)
    devices = tuple(_device(options, index, kinds.get(index, HEALTHY)) for index in range(options.devices))
    return MqttPlan(options.seed, devices)


def _kinds(options: MqttOptions) -> dict[int, Kind]:
    """Which device misbehaves how: every kind in turn."""
    random = Random(f"{options.seed}/mqtt/kinds")
    kinds = [kind for kind in KINDS if options.retries or not kind.needs_retry]
    random.shuffle(kinds)
    chosen = random.sample(range(options.devices), round(options.devices * options.failing))
    return {index: kinds[at % len(kinds)] for at, index in enumerate(chosen)}


def _device(options: MqttOptions, index: int, kind: Kind) -> MqttSpec:
    return MqttSpec(
        index=index,
        endpoint=f"{options.endpoint_prefix}-{options.seed}-{index:05d}",
        version={
            Running.SOURCE: options.source_version,
            Running.TARGET: options.target_version,
            Running.FOREIGN: options.foreign_version,
        }[kind.running],
        target_version=options.target_version,
        manner=_manner(options, index, kind),
        pace=_pace(options, kind),
        online=kind.online,
        mute=kind.mute,
        fates=kind.fates,
        kind=kind.name,
        role=kind.role,
        expected=kind.expected,
        expected_reasons=kind.reasons,
    )


def _manner(options: MqttOptions, index: int, kind: Kind) -> Manner:
    random = Random(f"{options.seed}/mqtt/{index}")
    if options.uniform:
        return Manner()
    parts = random.choice((0, 4, 8, _MAX_PARTS))
    return Manner(
        checks_time=random.random() < 0.5,  # noqa: PLR2004 - half of them
        dashes=random.random() < 0.5,  # noqa: PLR2004 - as above
        event_ids=random.random() < 0.5,  # noqa: PLR2004 - as above
        chatty=random.random() < 0.3,  # noqa: PLR2004 - Huawei's Java SDK does
        parts=_MAX_PARTS if kind.in_parts else parts,
        one_based=kind.role is Role.ONE_BASED,
    )


def _pace(options: MqttOptions, kind: Kind) -> Pace:
    seconds = options.download_seconds
    blocks = any(fate.behaviour is Behaviour.BLOCK for fate in kind.fates)
    return Pace(
        # The broker must notice within the download that such a device is silent.
        keep_alive=max(1, int(seconds / 4)) if blocks else options.keep_alive,
        reconnect_seconds=options.reconnect_seconds,
        download_seconds=max(seconds, 1.0) * _STOPPED_TAKES if kind.role is Role.TO_STOP else seconds,
        update_seconds=options.update_seconds,
        reboot_seconds=options.reboot_seconds,
    )
