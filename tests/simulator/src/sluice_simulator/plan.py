"""A fleet from one seed: uneven cells, coverage, dialects, links, rhythms, and the share that fails on purpose.

Every choice is drawn from a stream named by the seed and what is chosen for, so that the same options give the same
fleet, and a device keeps its traits when a share that does not concern it changes.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from sluice_simulator import packet as coap
from sluice_simulator.coverage import Coverage, RadioClass, Window
from sluice_simulator.dialects import (
    LITEOS,
    NON_NOTIFIER,
    PLAIN_TEXT,
    SENML_CBOR_11,
    SENML_JSON_11,
    TLV_ONLY,
    Dialect,
)
from sluice_simulator.fleet import DeviceSpec, Fate, FleetPlan, Pace, Radio, Rhythm, Role, Tuning
from sluice_simulator.kinds import HEALTHY, KINDS, Kind, Running

Place = Window
"""Where a device is: its cell, and the class that its coverage will lead to."""

_DENSE_CELL: Final = 100
_DENSE_SHARE: Final = 0.6
_FIRST_CELL_ID: Final = 69_600_001
_STOPPED_TAKES: Final = 10.0
_MAX_LEVEL_2_PER_CELL: Final = 4
_LAST_FATEFUL_BLOCK: Final = 6

# Shares of level 1 and cell-only devices in a dense cell; about one in 25 is level 2, the rest level 0. In turn each
# mix fills another window past its limit.
_MIXES: Final = ((0.06, 0.05), (0.28, 0.12), (0.15, 0.30))
_FULLEST: Final = (RadioClass.LEVEL_0, RadioClass.LEVEL_1, RadioClass.CELL_ONLY)
_SMALL_MIX: Final = (0.20, 0.15)

_SHARES: Final = (
    "failing",
    "sleepers",
    "rebinding",
    "lossy",
    "loss",
    "repeats",
    "slow_links",
    "late_answers",
    "small_blocks",
)

_DIALECTS: Final[tuple[tuple[Dialect, int], ...]] = (
    (PLAIN_TEXT, 3),
    (TLV_ONLY, 2),
    (SENML_CBOR_11, 2),
    (SENML_JSON_11, 1),
    (NON_NOTIFIER, 1),
    (LITEOS, 1),
)


def _option(default: Any, text: str) -> Any:
    """A field with the text that the command line shows for it."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a fleet should be like; shares are of all devices, between 0 and 1, times in seconds."""

    devices: int = _option(100, "number of devices")
    cells: int = _option(3, "number of cells")
    seed: int = _option(1, "seed of every random choice")
    endpoint_prefix: str = _option("sim", "endpoint names are PREFIX-SEED-NUMBER")
    source_version: str = _option("1.0.0", "firmware version at the start")
    target_version: str = _option("2.0.0", "firmware version after an upgrade")
    foreign_version: str = _option("0.1.0", "version of devices that the package does not support")
    retries: int = _option(1, "retries that the campaign allows; decides which ends are expected")
    failing: float = _option(0.12, "share of devices that misbehave on purpose")
    excluded_kinds: tuple[str, ...] = _option((), "misbehaviours to leave out")
    uniform: bool = _option(default=False, text="all devices alike: always awake, level 0, plain text, sound links")
    sleepers: float = _option(0.2, "share of queue-mode devices that sleep")
    report_seconds: float = _option(30.0, "time between registration updates")
    sleeper_report_seconds: float = _option(60.0, "the same for sleepers")
    awake_seconds: float = _option(20.0, "how long a sleeper listens after it sent something")
    rebinding: float = _option(0.1, "share of devices that come back with a new port")
    idle_reboot_seconds: float = _option(0.0, "mean time between reboots of an idle device, 0: none")
    lossy: float = _option(0.1, "share of devices with packet loss")
    loss: float = _option(0.05, "their probability of losing a packet, each way")
    repeats: float = _option(0.0, "the same devices' probability that a packet arrives twice, each way")
    slow_links: float = _option(0.05, "share of devices with a slow link")
    link_delay_seconds: float = _option(0.2, "their one-way delay")
    late_answers: float = _option(0.05, "share of devices that send separate responses")
    answer_delay_seconds: float = _option(0.3, "how much later they come")
    small_blocks: float = _option(0.3, "share of devices that fetch blocks of 512 bytes, not 1,024")
    download_seconds: float = _option(0.0, "how long a download takes, 0: as fast as it goes")
    update_seconds: float = _option(1.0, "from Execute to the reboot")
    reboot_seconds: float = _option(1.0, "silence of a reboot")

    def __post_init__(self) -> None:
        """Refuse what makes no fleet.

        Raises:
            ValueError: Names the option.
        """
        for name in ("devices", "cells", "report_seconds", "sleeper_report_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1")
        for name in self.__slots__:
            if name.endswith("_seconds") and getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")

    def scaled(self, factor: float) -> "PlanOptions":
        """The same with all times multiplied."""
        names = [name for name in self.__slots__ if name.endswith("_seconds")]
        return replace(self, **{name: getattr(self, name) * factor for name in names})


def make_plan(options: PlanOptions, tuning: Tuning | None = None) -> FleetPlan:
    """The fleet that these options and their seed name."""
    places = _places(options)
    kinds = _kinds(options, places)
    devices = tuple(
        _device(options, index, cell, radio_class, kinds.get(index, HEALTHY))
        for index, (cell, radio_class) in enumerate(places)
    )
    return FleetPlan(options.seed, devices, tuning or Tuning())


def cell_sizes(devices: int, cells: int, random: Random) -> list[int]:
    """Uneven sizes: dense cells of 100 and more as far as the devices go, small ones for the rest."""
    dense = cells if devices >= cells * _DENSE_CELL else int(devices * _DENSE_SHARE / 120)
    dense = min(dense, cells)
    small = cells - dense
    in_dense = devices if not small else max(int(devices * _DENSE_SHARE), dense * _DENSE_CELL)
    if not dense:
        in_dense = 0
    sizes = _spread(in_dense, dense, min(_DENSE_CELL, in_dense // max(dense, 1)), random)
    return sizes + _spread(devices - in_dense, small, 0, random)


def _spread(devices: int, cells: int, least: int, random: Random) -> list[int]:
    """Devices over cells by random weights, at least `least` in each."""
    if not cells:
        return []
    weights = [random.uniform(0.3, 1.7) for _ in range(cells)]
    spare = devices - least * cells
    sizes = [least + int(spare * weight / sum(weights)) for weight in weights]
    for at in range(devices - sum(sizes)):
        sizes[at % cells] += 1
    return sizes


def _places(options: PlanOptions) -> list[Place]:
    """Cell and class of each device, mixed so that neighbours in the fleet are none in the air."""
    random = Random(f"{options.seed}/cells")
    places: list[Place] = []
    for at, size in enumerate(cell_sizes(options.devices, options.cells, random)):
        mix = _MIXES[at % len(_MIXES)] if size >= _DENSE_CELL else _SMALL_MIX
        classes = [RadioClass.LEVEL_0] * size if options.uniform else _classes(size, *mix)
        places += [(_FIRST_CELL_ID + at, radio_class) for radio_class in classes]
    random.shuffle(places)
    return places


def _classes(size: int, level_1: float, cell_only: float) -> list[RadioClass]:
    counts = {
        RadioClass.LEVEL_1: round(size * level_1),
        RadioClass.LEVEL_2: min(_MAX_LEVEL_2_PER_CELL, round(size / 25)),
        RadioClass.CELL_ONLY: round(size * cell_only),
    }
    special = [radio_class for radio_class, count in counts.items() for _ in range(count)]
    return special[:size] + [RadioClass.LEVEL_0] * (size - len(special))


def _kinds(options: PlanOptions, places: list[Place]) -> dict[int, Kind]:
    """Which device misbehaves how: every kind in turn.

    Level 2 stays sound, as its windows have one slot. Devices that hang keep a slot of the platform while they do
    nothing, so none is in a window that shall be seen full at the devices.
    """
    random = Random(f"{options.seed}/kinds")
    kinds = [
        kind for kind in KINDS if kind.name not in options.excluded_kinds and (options.retries or not kind.needs_retry)
    ]
    random.shuffle(kinds)
    candidates = [at for at, (_, radio_class) in enumerate(places) if radio_class is not RadioClass.LEVEL_2]
    random.shuffle(candidates)
    chosen: dict[int, Kind] = {}
    full = _windows_to_fill(places)
    for at in range(min(round(options.devices * options.failing), len(candidates)) if kinds else 0):
        kind = kinds[at % len(kinds)]
        fit = (index for index in candidates if not kind.hangs or places[index] not in full)
        index = next(fit, candidates[0])
        candidates.remove(index)
        chosen[index] = kind
    return chosen


def _windows_to_fill(places: list[Place]) -> set[Place]:
    """The window of each dense cell that its mix makes the fullest."""
    sizes = Counter(cell for cell, _ in places)
    return {
        (cell, _FULLEST[(cell - _FIRST_CELL_ID) % len(_MIXES)]) for cell, size in sizes.items() if size >= _DENSE_CELL
    }


def _device(options: PlanOptions, index: int, cell: int, radio_class: RadioClass, kind: Kind) -> DeviceSpec:
    random = Random(f"{options.seed}/{index}")
    coverage, read_errors = _coverage(radio_class, random)
    if not kind.cell_in_instance:
        coverage = replace(coverage, cell_in_instance=False)
    dialect = _dialect(options, kind, random)
    sound = options.uniform or kind is not HEALTHY or radio_class is RadioClass.LEVEL_2
    return DeviceSpec(
        index=index,
        endpoint=f"{options.endpoint_prefix}-{options.seed}-{index:05d}",
        cell=cell,
        coverage=coverage,
        dialect=dialect,
        rhythm=_rhythm(options, random, always_on=sound),
        radio=_radio(options, random, sound=sound or not dialect.confirmable),
        pace=_pace(options, kind, random),
        version={
            Running.SOURCE: options.source_version,
            Running.TARGET: options.target_version,
            Running.FOREIGN: options.foreign_version,
        }[kind.running],
        target_version=options.target_version,
        online=kind.online,
        read_errors=kind.read_errors or read_errors,
        fates=tuple(_at_some_block(fate, random) for fate in kind.fates),
        moves_to=_other_cell(cell, options.cells) if kind.moves else None,
        kind=kind.name,
        role=kind.role,
        expected=kind.expected,
        expected_reasons=(options.retries and kind.reasons_after_retry) or kind.reasons,
    )


def _coverage(radio_class: RadioClass, random: Random) -> tuple[Coverage, dict[str, int]]:
    """Readings that lead to this class, in all ways that do, and the paths that cannot be read."""
    strong = random.choice((-105, random.randint(-104, -60))), random.choice((7, 12, 25))
    fair = random.choice((-115, -106, random.randint(-114, -107))), random.choice((-3, 0, 6))
    weak = random.choice((-125, -116, random.randint(-124, -117))), random.choice((-8, -4))
    if radio_class is RadioClass.LEVEL_0:
        return Coverage(*strong), {}
    if radio_class is RadioClass.LEVEL_1:
        return Coverage(*random.choice((fair, (fair[0], strong[1]), (strong[0], fair[1])))), {}
    if radio_class is RadioClass.LEVEL_2:
        outside = ((-140, -20), (0, 12), (80, 12), (32_767, 32_767), (-90, 32_767))
        return Coverage(*random.choice((weak, (weak[0], strong[1]), *outside))), {}
    cause = random.choice(("no-sinr", "no-rsrp", coap.NOT_FOUND, coap.METHOD_NOT_ALLOWED))
    if cause == "no-sinr":
        return Coverage(random.choice((80, strong[0])), None), {}
    if cause == "no-rsrp":
        return Coverage(None, strong[1]), {}
    return Coverage(*strong), {"/4/0": int(cause)}


def _dialect(options: PlanOptions, kind: Kind, random: Random) -> Dialect:
    if options.uniform:
        return PLAIN_TEXT
    fit = [
        (dialect, weight) for dialect, weight in _DIALECTS if not (kind.tells_result and dialect.knows_only_result_8)
    ]
    return random.choices([one for one, _ in fit], [weight for _, weight in fit])[0]


def _rhythm(options: PlanOptions, random: Random, *, always_on: bool) -> Rhythm:
    sleeps = random.random() < options.sleepers and not always_on
    rebinds = random.random() < options.rebinding and not always_on
    return Rhythm(
        report_seconds=options.sleeper_report_seconds if sleeps else options.report_seconds,
        awake_seconds=options.awake_seconds if sleeps else None,
        rebinds=rebinds,
        idle_reboot_seconds=options.idle_reboot_seconds,
    )


def _radio(options: PlanOptions, random: Random, *, sound: bool) -> Radio:
    loses, slow = random.random() < options.lossy, random.random() < options.slow_links
    if sound:
        return Radio()
    return Radio(
        loss=options.loss if loses else 0.0,
        delay_seconds=options.link_delay_seconds if slow else 0.0,
        repeats=options.repeats if loses else 0.0,
    )


def _pace(options: PlanOptions, kind: Kind, random: Random) -> Pace:
    late, small = random.random() < options.late_answers, random.random() < options.small_blocks
    varied = kind is HEALTHY and not options.uniform
    download_seconds = options.download_seconds
    if kind.role is Role.TO_STOP:
        download_seconds = max(download_seconds, 1.0) * _STOPPED_TAKES
    return Pace(
        block_exponent=5 if small and not options.uniform else 6,
        download_seconds=download_seconds,
        update_seconds=options.update_seconds,
        reboot_seconds=options.reboot_seconds,
        answer_delay_seconds=options.answer_delay_seconds if late and varied else 0.0,
    )


def _at_some_block(fate: Fate, random: Random) -> Fate:
    if not fate.after_blocks:
        return fate
    return replace(fate, after_blocks=random.randint(1, _LAST_FATEFUL_BLOCK))


def _other_cell(cell: int, cells: int) -> int:
    return _FIRST_CELL_ID + (cell - _FIRST_CELL_ID + 1) % max(cells, 2)
