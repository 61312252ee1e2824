"""`./sluice cluster`: Sluice on the Kubernetes cluster that KUBECONFIG names, for a trial.

Exit status: 0 if all went well, 1 if not, 2 for wrong use, 130 after Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from sluice_cluster.adapters.kubernetes import ClusterError
from sluice_cluster.demo import demo, patient
from sluice_cluster.domain.loading import NoWayToLoadError
from sluice_cluster.harm import USUAL
from sluice_cluster.install import install, uninstall
from sluice_cluster.settings import ClusterSettings
from sluice_demo import summary
from sluice_demo.client import PlatformError
from sluice_demo.devices import DevicesError
from sluice_demo.judgement import judge
from sluice_demo.run import run_interruptibly
from sluice_embedded.entrypoints.supervisor import EXPECTED_ERRORS

_ERRORS = (ClusterError, NoWayToLoadError, PlatformError, DevicesError, ValidationError, TimeoutError, *EXPECTED_ERRORS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        settings = _settings(options)
        if options.command == "install":
            install(settings, console)
        elif options.command == "uninstall":
            uninstall(settings, console)
        else:
            return _demo(settings, options, console)
    except _ERRORS as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _demo(settings: ClusterSettings, options: argparse.Namespace, console: Console) -> int:
    scenario = patient(options.devices, options.cells, options.seed, options.mqtt_devices)
    judgement = judge(run_interruptibly(demo(settings, scenario, console, options.deeds)))
    summary.show(judgement, console)
    judgement.report.write(settings.state_dir / "demo" / "report.json")
    return 1 if judgement.differences else 0


def _settings(options: argparse.Namespace) -> ClusterSettings:
    given: dict[str, Any] = {name: getattr(options, name, None) for name in ("replicas", "port_base")}
    return ClusterSettings(**{name: value for name, value in given.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./sluice cluster",
        description="Sluice on the cluster that KUBECONFIG names, with Kafka, SecantusDB and broker beside it.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--replicas", type=int, help="pods of each service (default 2)")
    common.add_argument("--port-base", type=int, help="lowest port of the parts (default 20000)")
    commands.add_parser("install", parents=[common], help="build and load the image, install the chart")
    commands.add_parser("uninstall", parents=[common], help="delete release, namespace, parts and data")
    found = commands.add_parser("demo", parents=[common], help="a campaign, with pods deleted and the release upgraded")
    found.add_argument("--devices", type=int, default=300, help="LwM2M devices (default 300)")
    found.add_argument("--mqtt-devices", type=int, default=100, help="MQTT devices (default 100)")
    found.add_argument("--cells", type=int, default=3, help="cells (default 3)")
    found.add_argument("--seed", type=int, default=1, help="decides every device's traits, and which pods are deleted")
    found.add_argument(
        "--deeds", nargs="*", choices=("delete", "upgrade", "drain", "scale"), default=USUAL, help="harm, in this order"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
