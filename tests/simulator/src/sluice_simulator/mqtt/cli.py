"""`./sluice simulate-mqtt`: a fleet of MQTT devices from the command line, with a JSON summary at the end."""

import argparse
import json
import resource
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console

from sluice_simulator.command_line import add_fleet_options, add_run_options, live
from sluice_simulator.measure import concurrency, peak
from sluice_simulator.mqtt import measure
from sluice_simulator.mqtt.fleet import Identity, MqttPlan
from sluice_simulator.mqtt.plan import MqttOptions, make_plan
from sluice_simulator.mqtt.run import MqttFleet


class Entry(msgspec.Struct):
    """One device as the platform's answer to its creation names it; other fields are ignored."""

    endpoint: str
    device_id: str
    mqtt_secret: str


class BulkAnswer(msgspec.Struct):
    """The platform's answer to a bulk upload; other fields are ignored."""

    secrets: list[Entry]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 after a run, 1 if it could not go on, 2 for options that make no sense."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        plan = make_plan(MqttOptions(**{option.name: getattr(options, option.name) for option in fields(MqttOptions)}))
        if options.endpoints:
            sys.stdout.writelines(f"{spec.endpoint}\n" for spec in plan.devices)
            return 0
        fleet = _fleet(plan, options)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    try:
        summary = uvloop.run(_run(fleet, options, console))
    except OSError as error:
        console.print(f"The fleet cannot run: {error}", style="red")
        return 1
    sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    return 0


def read_identities(path: Path) -> dict[str, Identity]:
    """Return by endpoint name what the platform gave its devices.

    Args:
        path: JSON: the answer of a bulk upload, or a list of answers of single creations.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds something else.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=BulkAnswer | list[Entry])
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    entries = found.secrets if isinstance(found, BulkAnswer) else found
    return {entry.endpoint: Identity(entry.device_id, entry.mqtt_secret) for entry in entries}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluice simulate-mqtt",
        description="Simulated MQTT devices over real TCP or TLS connections. Times are seconds, shares 0 to 1.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--broker", default="mqtt://127.0.0.1:1883", help="mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    parser.add_argument("--identities", type=Path, help="the answer of POST /devices/bulk, which shows the secrets")
    parser.add_argument("--ca", type=Path, help="certificates to trust instead of the system's, PEM")
    add_run_options(parser)
    add_fleet_options(parser.add_argument_group("fleet"), MqttOptions)
    return parser


def _fleet(plan: MqttPlan, options: argparse.Namespace) -> MqttFleet:
    if options.identities is None:
        raise ValueError("--identities is missing; --endpoints prints the names of the devices to create")
    if options.starts_per_second <= 0:
        raise ValueError("starts-per-second must be above 0")
    identities = read_identities(options.identities)
    unknown = [spec.endpoint for spec in plan.devices if spec.endpoint not in identities]
    if unknown:
        raise ValueError(f"{options.identities} lacks {len(unknown)} devices, the first is {unknown[0]}")
    trust = ssl.create_default_context(cafile=options.ca) if options.ca else None
    return MqttFleet(plan, options.broker, identities, trust=trust, starts_per_second=options.starts_per_second)


async def _run(fleet: MqttFleet, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    started = time.monotonic()
    await live(fleet.start(), console, len(fleet.plan.devices), lambda: _shown(fleet), options.duration)
    summary = _summary(fleet, started)
    await fleet.stop()
    return summary


def _shown(fleet: MqttFleet) -> dict[str, int]:
    return {name: count for name, count in fleet.counts().as_dict().items() if name != "devices"}


def _summary(fleet: MqttFleet, started: float) -> dict[str, Any]:
    now, timelines, used = time.monotonic(), fleet.timelines(), resource.getrusage(resource.RUSAGE_SELF)
    counts = fleet.counts()
    cpu_seconds = used.ru_utime + used.ru_stime
    downloads = [one for timeline in timelines for one in measure.downloads(timeline, now, over=True)]
    return {
        "seed": fleet.plan.seed,
        "seconds": round(now - started, 1),
        "counts": counts.as_dict(),
        "downloads": len(downloads),
        "downloads_at_once": peak(concurrency(downloads)),
        "old_tokens_served": len(measure.old_tokens_served(timelines)),
        "cpu_seconds": round(cpu_seconds, 2),
        "cpu_ms_per_upgrade": round(1000 * cpu_seconds / counts.updated, 2) if counts.updated else None,
        "peak_rss_mib": round(used.ru_maxrss / 1024, 1),
    }
