"""`./sluice bench`: figures, each a command; the result is JSON that names the machine.

A benchmark is a module with `add_arguments` and `run_benchmark`; the table is where it is registered. Exit status: 0
if the figure meets its target, 1 if not, 2 for wrong use, 130 after Ctrl-C.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console

from sluice_bench import (
    blocks,
    commands,
    download,
    executions,
    expiry,
    fairness,
    hostile,
    mqtt,
    packages,
    registrations,
    restart,
    scaling,
    scheduler,
    upgrade,
    windows,
)
from sluice_bench.machine import machine
from sluice_demo.client import PlatformError
from sluice_demo.devices import DevicesError
from sluice_embedded.entrypoints.supervisor import EXPECTED_ERRORS

_BENCHMARKS: dict[str, ModuleType] = {
    "blocks": blocks,
    "commands": commands,
    "download": download,
    "executions": executions,
    "expiry": expiry,
    "fairness": fairness,
    "hostile": hostile,
    "mqtt": mqtt,
    "packages": packages,
    "registrations": registrations,
    "restart": restart,
    "scaling": scaling,
    "scheduler": scheduler,
    "upgrade": upgrade,
    "windows": windows,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark, print its figures and return the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    report: dict[str, Any] = {
        "benchmark": options.benchmark,
        "machine": machine(),
        "began_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        report["figures"] = _BENCHMARKS[options.benchmark].run_benchmark(options, console)
    except (PlatformError, DevicesError, *EXPECTED_ERRORS) as error:
        console.print(f"The benchmark cannot go on: {error}", style="red", markup=False)
        return 1
    except TimeoutError:
        console.print("The benchmark cannot go on: it took far too long; is the machine busy?", style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    text = json.dumps(report, indent=2)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n")
    return 0 if report["figures"]["met"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./sluice bench", description="Measure, and name the machine.")
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    for name, module in _BENCHMARKS.items():
        summary = (module.__doc__ or "").partition("\n")[0].partition(": ")[2]
        command = benchmarks.add_parser(
            name, help=summary, description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        command.add_argument("--json", type=Path, help="also write the result here")
        module.add_arguments(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
