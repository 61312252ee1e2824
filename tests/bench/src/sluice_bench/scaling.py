"""`bench scaling`: how many processes a fleet takes, and for how long its cells are busy, on paper and simulated.

Nothing is started. The law of the windows (`scaling_law`) is held against a discrete-event simulation over the rules
themselves (`scaling_campaign`); the target is met if no simulated cell is further from it than downloads differ. With
`--write` the tables of `docs/scaling.md` are made anew.
"""

import argparse
import re
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from sluice_bench.scaling_tables import (
    MIXES,
    SIMULATED,
    Assumptions,
    campaign_table,
    cost_table,
    deviations,
    fleet_table,
    simulate,
)
from sluice_embedded.install import ROOT

DOCUMENT: Final = ROOT / "docs" / "scaling.md"
TARGET_DEVIATION: Final = 0.1
"""Share by which a simulated campaign may differ from the law: downloads differ by as much."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    plain = Assumptions()
    parser.add_argument("--image", type=int, default=plain.image, help="bytes of the image")
    parser.add_argument("--block", type=int, default=plain.block, help="bytes of a block")
    parser.add_argument(
        "--block-seconds",
        type=float,
        nargs=3,
        default=plain.block_seconds,
        metavar=("L0", "L1", "L2"),
        help="seconds of a block in the levels 0, 1 and 2",
    )
    parser.add_argument("--update", type=float, default=plain.update, help="seconds from Execute to the new version")
    parser.add_argument("--seed", type=int, default=plain.seed, help="of the spread of downloads and wake-ups")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {DOCUMENT.relative_to(ROOT)}")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Compute and return the figures."""
    assumptions = Assumptions(options.image, options.block, tuple(options.block_seconds), options.update, options.seed)
    for size in SIMULATED:
        for mix in MIXES:
            console.print(f"Simulating a cell of {size} devices, {mix}.", style="dim")
            simulate(assumptions, size, mix)
    tables = all_tables(assumptions)
    for text in tables.values():
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    if options.write:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), tables))
    found = deviations(assumptions)
    return {
        "deviation_from_the_law": found,
        "target_deviation": TARGET_DEVIATION,
        "met": all(abs(deviation) <= TARGET_DEVIATION for deviation in found.values()),
    }


def all_tables(assumptions: Assumptions) -> dict[str, str]:
    """Return the tables of the document by name."""
    return {
        "cost": cost_table(),
        "campaign": campaign_table(assumptions),
        "fleet": fleet_table(assumptions),
    }


def with_tables(text: str, tables: dict[str, str]) -> str:
    """Return a document with its tables replaced; each stands between `<!-- table NAME -->` and `<!-- end -->`."""
    for name, table in tables.items():
        before, found, rest = text.partition(f"<!-- table {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not found or not end:
            raise ValueError(f"the document has no place for the table {name}")
        text = before + found + table + end + after
    return text


def table_of(path: Path, name: str) -> str:
    """Return a table as a document has it."""
    found = re.search(rf"<!-- table {name} -->\n(.*?)<!-- end -->", path.read_text(), flags=re.DOTALL)
    if found is None:
        raise ValueError(f"{path} has no table {name}")
    return found[1]
