"""`./sluice simulate`: a fleet from the command line, until Ctrl-C or for a while, with a JSON summary at the end."""

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final

import uvloop
from rich.console import Console

from sluice_simulator import measure
from sluice_simulator.command_line import add_fleet_options, add_option, add_run_options, live
from sluice_simulator.fleet import Result, Tuning
from sluice_simulator.kinds import KINDS
from sluice_simulator.plan import PlanOptions, make_plan
from sluice_simulator.run import Fleet

_TUNING_HELP: Final = {
    "ack_timeout": "first retransmission time-out, before its random factor",
    "max_retransmit": "retransmissions after the first transmission",
    "response_timeout": "wait for a separate response after the acknowledgement",
    "lifetime": "lifetime of registrations",
    "register_retry": "wait after a failed registration; doubles each time, up to 32 times this",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 after a run, 1 if it could not go on, 2 for options that make no sense."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        plan = make_plan(_plan_options(options), _tuning(options))
        fleet = Fleet(plan, options.server, starts_per_second=options.starts_per_second)
    except ValueError as error:
        parser.error(str(error))
    if options.endpoints:
        sys.stdout.writelines(f"{spec.endpoint}\n" for spec in plan.devices)
        return 0
    try:
        summary = uvloop.run(_run(fleet, options, console))
    except OSError as error:
        console.print(f"The fleet cannot run: {error}", style="red")
        return 1
    sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluice simulate",
        description="Simulated LwM2M devices over real UDP sockets. Times are seconds, shares 0 to 1.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--server", default="coap://127.0.0.1:5683", help="where to register")
    add_run_options(parser)
    parser.add_argument("--time-scale", type=float, default=1.0, help="factor of all times of devices")
    parser.add_argument("--deregister", action="store_true", help="take leave of the server at the end")
    kinds = {"excluded_kinds": sorted(kind.name for kind in KINDS)}
    add_fleet_options(parser.add_argument_group("fleet"), PlanOptions, kinds)
    coap = parser.add_argument_group("CoAP")
    for name, text in _TUNING_HELP.items():
        add_option(coap, name, getattr(Tuning(), name), text)
    return parser


def _plan_options(options: argparse.Namespace) -> PlanOptions:
    chosen = {option.name: getattr(options, option.name) for option in fields(PlanOptions)}
    chosen["excluded_kinds"] = tuple(chosen["excluded_kinds"])
    return PlanOptions(**chosen).scaled(options.time_scale)


def _tuning(options: argparse.Namespace) -> Tuning:
    chosen = Tuning(**{name: getattr(options, name) for name in _TUNING_HELP})
    scale = options.time_scale
    return replace(
        chosen,
        ack_timeout=chosen.ack_timeout * scale,
        response_timeout=chosen.response_timeout * scale,
        register_retry=chosen.register_retry * scale,
    )


async def _run(fleet: Fleet, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    started = time.monotonic()
    await live(fleet.start(), console, len(fleet.plan.devices), lambda: _shown(fleet), options.duration)
    summary = _summary(fleet, started)
    await fleet.stop(deregister=options.deregister)
    return summary


def _shown(fleet: Fleet) -> dict[str, int]:
    return {name: count for name, count in fleet.counts().as_dict().items() if name != "devices"}


def _summary(fleet: Fleet, started: float) -> dict[str, Any]:
    now, timelines, used = time.monotonic(), fleet.timelines(), resource.getrusage(resource.RUSAGE_SELF)
    results = fleet.results()
    cpu_seconds = used.ru_utime + used.ru_stime
    upgrades = results[Result.SUCCESS]
    reports = measure.windows(timelines, now, over=True)
    return {
        "seed": fleet.plan.seed,
        "seconds": round(now - started, 1),
        "counts": fleet.counts().as_dict(),
        "results": {result.name: count for result, count in sorted(results.items())},
        "double_executes": len(measure.double_executes(timelines)),
        "violations": sum(report.violations for report in reports),
        "windows": [
            {
                "cell": report.cell,
                "class": report.radio_class,
                "limit": report.limit,
                "peak": report.peak,
                "queued_peak": report.queued_peak,
                "utilisation": report.utilisation and round(report.utilisation, 3),
            }
            for report in reports
        ],
        "cpu_seconds": round(cpu_seconds, 2),
        "cpu_ms_per_upgrade": round(1000 * cpu_seconds / upgrades, 2) if upgrades else None,
        "peak_rss_mib": round(used.ru_maxrss / 1024, 1),
    }
