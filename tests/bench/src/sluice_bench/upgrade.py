"""`bench upgrade`: processor time of one upgrade, saturated, through everything that is real.

Devices are always awake, in level 0, and download 64 KiB in blocks of 1,024 bytes over real CoAP as fast as they are
served. The figure is user and system time of all Sluice processes from task creation to the last callback, divided
by the upgrades that succeeded; Kafka, the MongoDB-wire server and the simulator are listed apart.
"""

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console

from sluice_bench.events import count_events
from sluice_demo.campaign import Outcome
from sluice_demo.judgement import Judgement, judge
from sluice_demo.run import Place, run, run_interruptibly
from sluice_demo.scenario import Scenario
from sluice_embedded.adapters.state import Endpoints
from sluice_embedded.install import HOME
from sluice_simulator.fleet import Tuning
from sluice_simulator.plan import PlanOptions

TARGET_MS: Final = 20.0
"""Most processor time per upgrade, ms."""
_IMAGE_BYTES: Final = 64 * 1024
_DEVICES_PER_CELL: Final = 40
_POLICY: Final[Mapping[str, Any]] = {"waiting": 0.0, "max_retries": 0}


def scenario(devices: int, seed: int) -> Scenario:
    """Return the saturated scenario."""
    fleet = PlanOptions(
        devices=devices,
        cells=max(1, devices // _DEVICES_PER_CELL),
        seed=seed,
        endpoint_prefix="bench",
        retries=0,
        failing=0.0,
        uniform=True,
        report_seconds=300.0,
        download_seconds=0.0,
        update_seconds=0.0,
        reboot_seconds=0.1,
    )
    return Scenario(fleet, Tuning(), _POLICY, {}, _IMAGE_BYTES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--devices", type=int, default=2000, help="upgrades")
    parser.add_argument("--seed", type=int, default=1, help="decides the devices' cells")
    parser.add_argument("--port-base", type=int, default=19_000, help="lowest port of its system")


def run_benchmark(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run the campaign and return the figures.

    Args:
        options: Of the command line.
        console: Gets the progress.
    """
    events: Counter[tuple[str, str]] = Counter()

    async def count(endpoints: Endpoints, outcome: Outcome) -> None:
        events.update(await count_events(endpoints.kafka_bootstrap, outcome.started_at))

    place = Place(options.port_base, HOME / "bench" / "upgrade")
    evidence = run_interruptibly(run(scenario(options.devices, options.seed), place, console, afterwards=count))
    return _figures(judge(evidence), events)


def _figures(judgement: Judgement, events: Counter[tuple[str, str]]) -> dict[str, Any]:
    report = judgement.report
    upgrades = max(report.succeeded, 1)
    total = report.cpu_ms_per_upgrade.get("total")
    return {
        "upgrades": report.succeeded,
        "makespan_s": report.makespan_s,
        "upgrades_per_second": round(report.succeeded / report.makespan_s, 1),
        "cpu_ms_per_upgrade": report.cpu_ms_per_upgrade,
        "cpu_ms_apart": {name: ms for name, ms in judgement.cpu_ms_apart.items() if name != "total"},
        "target_ms": TARGET_MS,
        "met": total is not None and total <= TARGET_MS and not judgement.differences,
        "events_per_upgrade": round(events.total() / upgrades, 1),
        "events": {f"{topic}/{kind}": round(n / upgrades, 2) for (topic, kind), n in sorted(events.items())},
        "differences": list(judgement.differences)[:20],
    }
