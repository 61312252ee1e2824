"""`./sluice demo`: a campaign of simulated devices on a system of its own, driven and judged over HTTP.

Exit status: 0 if everything ended as it should, 1 if not, 2 for wrong use, 130 after Ctrl-C.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from sluice_demo import scaled, summary
from sluice_demo.client import PlatformError
from sluice_demo.devices import DevicesError
from sluice_demo.hostile import neighbours
from sluice_demo.judgement import Judgement, judge
from sluice_demo.kills import EVERY, Kills
from sluice_demo.monitoring import Monitoring, NoPrometheusError
from sluice_demo.picture import picture
from sluice_demo.run import Place, run, run_interruptibly, together
from sluice_demo.scenario import Scenario
from sluice_embedded.domain.ports import HIGHEST_BASE, LOWEST_BASE, MAX_REPLICAS
from sluice_embedded.entrypoints.supervisor import EXPECTED_ERRORS
from sluice_embedded.install import HOME

_MAX_DEVICES = 10_000
_QUIET, _HOSTILE = "quiet", "hostile"
_KILLED_REPLICAS = 2
"""Of each service, so that one goes on while the other is started again."""
_LEAST_INTERVAL, _DEVICES_PER_SECOND_OF_INTERVAL = 2.0, 1000
"""Seconds between two readings of metrics: a large campaign takes long, and its machine has better things to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit status."""
    options = _parser().parse_args(arguments)
    console = Console()
    scenario = scaled.scenario(options.devices, options.cells, options.seed, options.mqtt_devices)
    console.print(scaled.described(scenario), style="dim", highlight=False)
    beside = neighbours(scenario.policy) if options.scenario == _HOSTILE else None
    replicas = options.replicas or (_KILLED_REPLICAS if options.kill else 1)
    place = Place(options.port_base, options.state_dir, replicas=replicas)
    kills = Kills(options.seed, console) if options.kill else None
    try:
        monitoring = _monitoring(options, console) if options.dashboards else None
        throughout = together([each for each in (kills, monitoring) if each is not None])
        judgement = judge(run_interruptibly(run(scenario, place, console, throughout=throughout, neighbours=beside)))
    except (PlatformError, DevicesError, NoPrometheusError, *EXPECTED_ERRORS) as error:
        console.print(f"The demo cannot go on: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    if kills is not None:
        console.print(f"Killed meanwhile: {', '.join(kills.killed) or 'nothing'}.", highlight=False)
    summary.show(judgement, console)
    _write(judgement, scenario, options.report, options.picture)
    console.print(f"Report: {options.report}\nPicture: {options.picture}", highlight=False)
    return 1 if judgement.differences else 0


def _monitoring(options: argparse.Namespace, console: Console) -> Monitoring:
    devices = options.devices + options.mqtt_devices
    interval = max(_LEAST_INTERVAL, devices / _DEVICES_PER_SECOND_OF_INTERVAL)
    return Monitoring(options.dashboards, options.state_dir.parent / "prometheus", options.port_base, interval, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./sluice demo",
        description="Run a campaign of simulated devices on a system of its own, and judge it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--devices", type=_number(1, _MAX_DEVICES), default=300, help="number of LwM2M devices")
    parser.add_argument("--cells", type=_number(1, _MAX_DEVICES), default=3, help="number of cells")
    parser.add_argument("--mqtt-devices", type=_number(0, _MAX_DEVICES), default=100, help="number of MQTT devices")
    parser.add_argument("--seed", type=int, default=1, help="decides every device's traits and fate")
    parser.add_argument(
        "--replicas", type=_number(1, MAX_REPLICAS), help="processes of each service (1, with --kill 2)"
    )
    parser.add_argument(
        "--kill", action="store_true", help=f"kill one process of its own after the other, one each {EVERY:g} seconds"
    )
    parser.add_argument(
        "--scenario",
        choices=(_QUIET, _HOSTILE),
        default=_QUIET,
        help="hostile: beside a tenant whose devices and receivers do harm",
    )
    parser.add_argument("--report", type=Path, default=HOME / "demo" / "report.json", help="figures, as JSON")
    parser.add_argument("--picture", type=Path, default=HOME / "demo" / "picture.svg", help="windows over time, as SVG")
    parser.add_argument(
        "--dashboards",
        type=Path,
        metavar="FOLDER",
        help="read all metrics by Prometheus, and draw the dashboards there",
    )
    parser.add_argument(
        "--port-base", type=_number(LOWEST_BASE, HIGHEST_BASE), default=18_000, help="lowest port of its system"
    )
    parser.add_argument("--state-dir", type=Path, default=HOME / "demo" / "system", help="its system's state; wiped")
    return parser


def _number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a converter to whole numbers between two bounds."""

    def convert(text: str) -> int:
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(f"must be a number from {minimum} to {maximum}")
        return int(text)

    return convert


def _write(judgement: Judgement, scenario: Scenario, report: Path, image: Path) -> None:
    judgement.report.write(report)
    seconds = max(judgement.report.makespan_s, 1.0)
    image.parent.mkdir(parents=True, exist_ok=True)
    subtitle = (
        f"{scenario.fleet.devices} devices in {scenario.fleet.cells} cells · seed {scenario.fleet.seed} · "
        f"measured at the devices · {seconds:.0f} s"
    )
    image.write_text(picture(judgement.curves, seconds, "Devices that upgrade at once, by cell window", subtitle))


if __name__ == "__main__":
    sys.exit(main())
