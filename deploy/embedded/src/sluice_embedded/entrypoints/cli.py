"""The command line of `./sluice`, once its Python packages are installed.

Commands that are programs of their own appear in the help only: `install.hand_over` starts them.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sluice_common import __version__
from sluice_embedded.domain.ports import HIGHEST_BASE, HIGHEST_PORT, LOWEST_BASE, MAX_REPLICAS
from sluice_embedded.entrypoints import check, lifecycle, logs, operations
from sluice_embedded.entrypoints.supervisor import EXPECTED_ERRORS
from sluice_embedded.install import ROOT
from sluice_embedded.settings import EmbeddedSettings

# A worker that dies is a defect, and ends the session: one in its place would run the test at which it died once more.
_PYTEST_DEFAULTS = ("--max-worker-restart=0", "--dist=loadscope", "--no-loadscope-reorder", "--durations=10")
"""`tests/conftest.py` says what goes to which worker."""
_WORKERS, _CAMPAIGNS_AT_ONCE = 3, 2
"""However many processors there are: each worker starts a Kafka and more, and tests have deadlines.

Campaigns under faults and outages keep a machine busier than all else.
"""


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    parser = _parser()
    if not argv:
        parser.print_help()
        return 2
    if argv[0] in operations.PROGRAMS or argv[0] == "test":
        return test(argv[1:]) if argv[0] == "test" else operate(argv[0], argv[1:])
    options = parser.parse_args(argv)
    try:
        return _commands()[options.command](options)
    except (*EXPECTED_ERRORS, ValidationError) as error:
        sys.stderr.write(_text_of(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever reads the output has seen enough; Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def operate(command: str, arguments: Sequence[str]) -> int:
    """Become a service's program for operators, told where the running system's parts are."""
    try:
        return hand_over(operations.arguments_of(command, arguments))
    except (*EXPECTED_ERRORS, ValidationError) as error:
        sys.stderr.write(_text_of(error))
        return 1


def _text_of(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"{error}\n"
    return "".join(f"SLUICE_{str(found['loc'][0]).upper()}: {found['msg']}\n" for found in error.errors())


def hand_over(arguments: Sequence[str]) -> int:
    """Become another Python program of the same environment."""
    sys.stdout.flush()
    return os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - hands over, never returns


def _commands() -> dict[str, Callable[[argparse.Namespace], int]]:
    return {
        "up": lambda o: lifecycle.up(_settings(o), o.services, foreground=o.foreground),
        "down": lambda o: lifecycle.down(_settings(o)),
        "status": lambda o: lifecycle.status(_settings(o), secrets=o.secrets),
        "reset": lambda o: lifecycle.wipe(_settings(o)),
        "top": lambda o: _top(_settings(o), o.picture),
        "logs": lambda o: logs.show(_settings(o), o.service, o.lines, follow=o.follow),
        "check": lambda _: check.main(),
    }


def _top(settings: EmbeddedSettings, picture: Path | None) -> int:
    from sluice_embedded.entrypoints.top import top  # noqa: PLC0415 - Textual takes a while to load

    return top(settings, picture)


def test(arguments: Sequence[str]) -> int:
    """Become pytest for one suite, a folder of `tests`, for those that run by default, or for whatever it is told."""
    options, rest = _test_parser().parse_known_args(arguments)
    if options.port_base is not None:
        os.environ["SLUICE_TEST_PORT_BASE"] = str(options.port_base)
    os.chdir(ROOT)
    workers = _CAMPAIGNS_AT_ONCE if rest and rest[0] in {"faults", "outages"} else _WORKERS
    if rest and (ROOT / "tests" / rest[0]).is_dir():
        rest[0] = f"tests/{rest[0]}"
    return hand_over(["-m", "pytest", f"--numprocesses={workers}", *_PYTEST_DEFAULTS, *rest])


def _test_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./sluice test",
        usage="./sluice test [unit|integration|e2e|faults|outages|cluster] [--port-base N] [pytest's arguments]",
        allow_abbrev=False,
    )
    parser.add_argument("--port-base", type=_port_base, help="lowest port of what tests start (default: free ones)")
    return parser


def _settings(options: argparse.Namespace) -> EmbeddedSettings:
    """Return the settings of the environment, overridden by the options, which children see too."""
    given: dict[str, Any] = {
        name: value
        for name in ("state_dir", "port_base", "listen", "parts_listen", "mqtt_port", "mqtts_port", "replicas")
        if (value := getattr(options, name, None)) is not None
    }
    os.environ.update({f"SLUICE_{name.upper()}": str(value) for name, value in given.items()})
    return EmbeddedSettings()


def _port_base(text: str) -> int:
    if not text.isdecimal() or not LOWEST_BASE <= int(text) <= HIGHEST_BASE:
        raise argparse.ArgumentTypeError(f"a number from {LOWEST_BASE} to {HIGHEST_BASE}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"a number from 1 to {HIGHEST_PORT}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./sluice", description="Firmware upgrades, cell by cell.")
    parser.add_argument("--version", action="version", version=f"sluice {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--state-dir", type=lambda text: Path(text).resolve(), help="keep state here, not in .sluice")
    up = commands.add_parser("up", parents=[where], help="start everything; harmless if it runs")
    up.add_argument("services", nargs="*", metavar="SERVICE", help="start only these; an unknown name lists all")
    up.add_argument("--foreground", action="store_true", help="stay, and stop everything at Ctrl-C")
    up.add_argument("--port-base", type=_port_base, help="lowest port (default 17000); all others follow")
    up.add_argument(
        "--replicas", type=int, choices=range(1, MAX_REPLICAS + 1), help="processes of each service (default 1)"
    )
    up.add_argument("--listen", metavar="ADDRESS", help="where API and gateways listen (default 127.0.0.1)")
    up.add_argument(
        "--parts-listen", metavar="ADDRESS", help="where Kafka and SecantusDB listen, without a password (127.0.0.1)"
    )
    up.add_argument(
        "--mqtt-port", type=_port, metavar="N", help="MQTT alone here, as at 1883 (default: port base + 20)"
    )
    up.add_argument("--mqtts-port", type=_port, metavar="N", help="MQTT over TLS, as at 8883 (default: port base + 21)")
    commands.add_parser("down", parents=[where], help="stop everything that up started")
    status = commands.add_parser("status", parents=[where], help="show processes and addresses")
    status.add_argument(
        "--secrets", action="store_true", help="show which secrets each process has been given, by name"
    )
    top = commands.add_parser("top", parents=[where], help="show the live system in this terminal; q ends it")
    top.add_argument("--picture", type=Path, metavar="FILE", help="write a picture (SVG) of it instead")
    follow = commands.add_parser("logs", parents=[where], help="show what services say")
    follow.add_argument("service", nargs="?", help="only this one")
    follow.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    follow.add_argument("-n", "--lines", type=int, default=20, help="lines per service (default 20)")
    commands.add_parser("reset", parents=[where], help="delete all data and logs")
    commands.add_parser("dead-letters", help="list what could not be handled, show it, replay it")
    commands.add_parser("rebuild", help="write into a restored database what Kafka has of it since")
    commands.add_parser("demo", help="start everything, run a campaign over HTTP as an app server would, and judge it")
    commands.add_parser("simulate", help="simulate LwM2M devices against a gateway")
    commands.add_parser("simulate-mqtt", help="simulate MQTT devices against a broker")
    commands.add_parser("bench", help="measure what an upgrade costs")
    commands.add_parser("sign", help="make key pairs, sign and verify packages")
    commands.add_parser("signtool", help="write the offline signature tool as a release of its own, with its digest")
    commands.add_parser("cluster", help="on the Kubernetes cluster that KUBECONFIG names: install, demo, uninstall")
    commands.add_parser("test", help="run tests: unit, integration, e2e (these by default), faults, outages, cluster")
    commands.add_parser("check", help="lint, format, types and locks")
    return parser
