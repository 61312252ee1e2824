# ruff: noqa: INP001 - test folders are no packages
"""Campaigns whose every device must succeed, whatever is done to the system, and what became of its processes."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sluice_demo import scaled
from sluice_demo.scenario import Scenario
from sluice_embedded.adapters.supervisor import tail


def patient_campaign(*, devices: int, mqtt_devices: int, cells: int, seconds: float) -> Scenario:
    """Return healthy devices of both protocols with retries, and timeouts that outlast what is done to the system.

    Args:
        devices: LwM2M devices.
        mqtt_devices: MQTT devices.
        cells: Cells of the former.
        seconds: Of each timeout.
    """
    scenario = scaled.scenario(devices=devices, cells=cells, seed=11, mqtt_devices=mqtt_devices)
    assert scenario.mqtt is not None  # noqa: S101 - helpers of tests assert
    mqtt = replace(
        scenario.mqtt,
        fleet=replace(scenario.mqtt.fleet, failing=0.0, retries=3),
        policy=_patient(scenario.mqtt.policy, seconds),
    )
    return replace(
        scenario,
        fleet=replace(scenario.fleet, failing=0.0, retries=3),
        policy=_patient(scenario.policy, seconds),
        # An offer that waits in a broker that is away longer than this reaches a device that has lost its place.
        services={**scenario.services, "SLUICE_DOWNLOAD_IDLE": str(seconds)},
        fills_windows=False,  # retries and harm decide who meets whom
        mqtt=mqtt,
    )


def _patient(policy: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    return {**policy, "max_retries": 3, "timeouts": dict.fromkeys(policy["timeouts"], seconds)}


def lives(state_dir: Path) -> tuple[Counter[str], dict[str, int | None]]:
    """Return how often each service was started, and the exit status that each had in the end."""
    starts: Counter[str] = Counter()
    statuses: dict[str, int | None] = {}
    for line in (state_dir / "logs" / "supervisor.log").read_text().splitlines():
        entry = json.loads(line)
        if entry["event"] == "service_started":
            starts[entry["service"]] += 1
        elif entry["event"] == "service_ended":
            statuses[entry["service"]] = entry["exit_code"]
    return starts, statuses


def last_words(state_dir: Path, services: Iterable[str], lines: int = 30) -> str:
    """Return the ends of services' logs, for who must learn from a report alone why they ended."""
    return "\n".join(f"{name}:\n{tail(state_dir / 'logs' / f'{name}.log', lines)}" for name in sorted(services))
