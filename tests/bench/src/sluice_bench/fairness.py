"""`bench fairness`: how long devices of two apps and sleepers wait in one cell, simulated over the rules themselves.

Nothing is started. A cell of one slot (coverage class LEVEL_2) serves a large app, whose devices all ask at once, and a
small one that asks an hour later; some devices of both sleep most of the time. The same devices are served in turns, as
`admit` does, and once more as if all were of one app, first come, first served. The target is met if no awake device of
the small app waits for longer than `bound` tells. With `--write` the picture of `docs/upgrade.md` is made anew.
"""

import argparse
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from sluice_bench.fairness_cell import Asking, Wait, simulate
from sluice_bench.fairness_picture import draw
from sluice_demo.report import percentile
from sluice_embedded.install import ROOT

PICTURE: Final = ROOT / "docs" / "images" / "fairness.png"
LARGE, SMALL = "large", "small"
_LATER: Final = 3600.0
_HOUR: Final = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--large", type=int, default=500, help="awake devices of the large app")
    parser.add_argument("--small", type=int, default=10, help="awake devices of the small app")
    parser.add_argument("--sleepers", type=int, default=10, help="sleepers of each app besides")
    parser.add_argument("--hold", type=float, default=400.0, help="seconds a device holds the slot, in the mean")
    parser.add_argument("--wake-every", type=float, default=_HOUR, help="seconds between a sleeper's wake-ups")
    parser.add_argument("--awake-for", type=float, default=20.0, help="seconds for which a sleeper stays awake")
    parser.add_argument("--seed", type=int, default=1, help="of the spread of holds and wake-ups")
    parser.add_argument("--write", action="store_true", help=f"write {PICTURE.relative_to(ROOT)}")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Simulate both and return the figures."""
    devices = _devices(options)
    found = {
        "in turns": simulate(devices, options.hold, options.seed),
        "one queue": simulate(devices, options.hold, options.seed, one_queue=True),
    }
    longest = bound(options.small, 1.5 * options.hold)
    for order, waits in found.items():
        console.print(_table(order, waits))
    if options.write:
        draw(found, _title(options), PICTURE)
    small = [wait for wait in found["in turns"] if wait.asking.app_id == SMALL]
    awake = max(wait.seconds for wait in small if not wait.asking.wake_every)
    return {
        "waits_hours": {
            order: {who: _figures(waits, who) for who in sorted({wait.asking.kind for wait in waits})}
            for order, waits in found.items()
        },
        "longest_wait_of_the_small_app_s": round(awake),
        "target_s": round(longest),
        "met": awake <= longest,
    }


def bound(of_its_app: int, longest_hold: float) -> float:
    """Return how long an awake device waits at most in a cell of one slot that two apps share while no sleeper wakes.

    Args:
        of_its_app: Devices of its app that have asked before it, with itself.
        longest_hold: Seconds for which a device holds the slot at most.
    """
    return 2 * of_its_app * longest_hold


def _devices(options: argparse.Namespace) -> Sequence[Asking]:
    plan = ((LARGE, 0.0, options.large), (SMALL, _LATER, options.small))
    awake = [Asking(app_id=app, at=at, name=f"{app}-{n}") for app, at, count in plan for n in range(count)]
    asleep = [
        Asking(
            app_id=app,
            at=at + n * options.wake_every / max(options.sleepers, 1),
            name=f"{app}-sleeper-{n}",
            wake_every=options.wake_every,
            awake_for=options.awake_for,
        )
        for app, at, _ in plan
        for n in range(options.sleepers)
    ]
    return [*asleep, *awake]


def _title(options: argparse.Namespace) -> str:
    return (
        f"A cell of one slot: {options.large} devices of one app ask at once, {options.small} of another an hour "
        f"later;\n{options.sleepers} of each besides are awake for {options.awake_for:g} s "
        f"in {options.wake_every / 60:g} min"
    )


def _figures(waits: Sequence[Wait], who: str) -> dict[str, float]:
    hours = sorted(wait.seconds / _HOUR for wait in waits if wait.asking.kind == who)
    return {
        "p50": round(percentile(hours, 0.5), 2),
        "p95": round(percentile(hours, 0.95), 2),
        "max": round(hours[-1], 2),
    }


def _table(order: str, waits: Sequence[Wait]) -> Table:
    table = Table(title=f"{order}: hours until a device has the slot")
    for name in ("app", "p50", "p95", "longest"):
        table.add_column(name, justify="left" if name == "app" else "right")
    for who in sorted({wait.asking.kind for wait in waits}):
        table.add_row(who, *(f"{value:.1f}" for value in _figures(waits, who).values()))
    return table
