"""`./sluice cluster demo`: a campaign against the release, with devices outside of the cluster."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from rich.console import Console

from sluice_cluster.domain import trial
from sluice_cluster.harm import Harm
from sluice_cluster.install import CHART, Trial
from sluice_cluster.settings import ClusterSettings
from sluice_demo import scaled
from sluice_demo.devices import DeviceProcess
from sluice_demo.judgement import Evidence
from sluice_demo.run import Place, run_on
from sluice_demo.scenario import Scenario
from sluice_embedded.adapters.state import Endpoints

_LONGER = 300.0
"""Seconds by which the campaign is given up later than one that nobody harms."""
_PATIENT = 120.0


@dataclass(frozen=True)
class Release:
    """The release as the demo sees a system.

    Attributes:
        endpoints: Where it is reached.
    """

    endpoints: Endpoints

    def cpu_seconds(self) -> Mapping[str, float]:
        """Return the processor time of each process: of pods it is not known here."""
        return {}


def patient(devices: int, cells: int, seed: int, mqtt_devices: int) -> Scenario:
    """Return the demo's scenario with healthy devices and deadlines that outlast a pod's replacement.

    Names of devices are new each time: those of the campaigns before are still there.
    """
    scenario = scaled.scenario(devices, cells, seed, mqtt_devices)
    prefix = f"demo-{secrets.token_hex(4)}"
    timeouts = {**scenario.policy["timeouts"], **dict.fromkeys(("online", "download", "update"), _PATIENT)}
    timeouts |= dict.fromkeys(("version", "coverage", "observe", "download_start", "update_start", "result"), 60.0)
    mqtt = scenario.mqtt
    if mqtt is not None:
        longer = dict.fromkeys(("online", "mqtt_download", "update", "result"), _PATIENT) | {"version": 40.0}
        policy = {**mqtt.policy, "max_retries": 3, "timeouts": {**mqtt.policy["timeouts"], **longer}}
        fleet = replace(mqtt.fleet, endpoint_prefix=f"{prefix}-mqtt", failing=0.0, retries=3)
        mqtt = replace(mqtt, fleet=fleet, policy=policy)
    return replace(
        scenario,
        fleet=replace(scenario.fleet, endpoint_prefix=prefix, failing=0.0, retries=3),
        policy={**scenario.policy, "max_retries": 3, "timeouts": timeouts},
        services={**scenario.services, **({"SLUICE_DOWNLOAD_IDLE": str(_PATIENT)} if mqtt else {})},
        fills_windows=False,  # retries and harm decide who meets whom
        mqtt=mqtt,
    )


async def demo(settings: ClusterSettings, scenario: Scenario, console: Console, deeds: Sequence[str]) -> Evidence:
    """Set the release to the scenario's times, run the campaign, do harm meanwhile, and set the times back.

    Raises:
        ClusterError: The cluster refused something, or nothing is installed.
        Exception: As of `sluice_demo.run.run_on`.
    """
    found = await asyncio.to_thread(Trial.of, settings)
    times = trial.placed(scenario.services, json.loads((CHART / "values.schema.json").read_text()))
    console.print("Setting the release to scaled times", style="dim")
    await asyncio.to_thread(_upgrade, found, times)
    work = Harm(found.cluster, lambda: _upgrade(found, times, log_level="WARNING"), console, seed=scenario.fleet.seed)

    async def meanwhile(_release: Release, _devices: DeviceProcess) -> None:
        await work.run(deeds)

    folder = settings.state_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    place = Place(settings.port_base, folder, callback_host=found.host)
    try:
        return await run_on(_running(found), scenario, place, console, meanwhile=meanwhile, longer=_LONGER)
    finally:
        console.print("Setting its times back", style="dim")
        await asyncio.to_thread(_upgrade, found, {})


def _upgrade(found: Trial, times: dict[str, dict[str, str]], **overrides: str) -> None:
    found.cluster.upgrade(CHART, found.write_values(times, **overrides), found.settings.wait)


@asynccontextmanager
async def _running(found: Trial) -> AsyncIterator[Release]:
    places = found.places()
    yield Release(
        Endpoints(
            api=places.api,
            coap=[places.coap],
            kafka_bootstrap=places.kafka,
            mongodb_uri=places.mongodb,
            mongodb_database="sluice",
            app_id="",
            app_secret="",
            admin_user="admin",
            admin_password=found.parts.secrets().admin_password,
            mqtt=places.broker,
            downloads=places.downloads,
        )
    )
