"""MQTT devices over real sockets against a small broker and download server: log-in, upgrades, every way to fail."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice_simulator.fleet import Stage
from sluice_simulator.mqtt import measure
from sluice_simulator.mqtt.device import MqttDevice
from sluice_simulator.mqtt.fleet import Behaviour, Fate, Identity, Manner, MqttPlan
from sluice_simulator.mqtt.ota import ResultCode
from sluice_simulator.mqtt.plan import MqttOptions, make_plan
from sluice_simulator.mqtt.run import MqttFleet
from sluice_simulator.mqtt.trial_platform import TrialPlatform
from sluice_simulator.timeline import What

SECRET = "secret"
IMAGE = os.urandom(20_000)
PARTS = Manner(parts=8)
SUCCESS = ("upgrade_progress_report", {"result_code": 0, "progress": 100, "version": "2.0.0", "description": ""})

Start = Callable[..., Awaitable[MqttDevice]]


@pytest.fixture
async def platform() -> AsyncIterator[TrialPlatform]:
    trial = TrialPlatform(IMAGE, {"d0": SECRET})
    await trial.start()
    yield trial
    await trial.stop()


@pytest.fixture
async def start(platform: TrialPlatform) -> AsyncIterator[Start]:
    """Start one plain device with changes."""
    fleets: list[MqttFleet] = []

    async def begin(secret: str = SECRET, *, keep_alive: int = 60, download: float = 0.0, **changes: Any) -> MqttDevice:
        options = MqttOptions(
            devices=1,
            failing=0.0,
            uniform=True,
            keep_alive=keep_alive,
            reconnect_seconds=0.02,
            download_seconds=download,
            update_seconds=0.01,
            reboot_seconds=0.01,
        )
        (spec,) = make_plan(options).devices
        spec = replace(spec, **changes)
        fleet = MqttFleet(MqttPlan(1, (spec,)), platform.broker, {spec.endpoint: Identity("d0", secret)})
        fleets.append(fleet)
        await fleet.start()
        return fleet.devices[0]

    yield begin
    for fleet in fleets:
        await fleet.stop()


async def until(condition: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.005)
    assert condition(), what


async def upgraded(platform: TrialPlatform, device: MqttDevice) -> None:
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-1")
    await until(lambda: SUCCESS in platform.reports["d0"], "success")
    await until(lambda: device.timeline.events[-1].what is What.RESULT_REPORTED, "the device knows that it was heard")


def seen(device: MqttDevice) -> list[What]:
    return [event.what for event in device.timeline.events]


async def test_a_device_logs_in_and_reports_its_version(platform: TrialPlatform, start: Start) -> None:
    await start()
    await until(lambda: "d0" in platform.online, "online")
    platform.query("d0")
    await until(lambda: platform.reports["d0"], "report")
    assert platform.reports["d0"] == [("version_report", {"sw_version": "1.0.0", "fw_version": "1.0.0"})]


async def test_one_with_another_secret_is_refused_and_goes_on_trying(platform: TrialPlatform, start: Start) -> None:
    device = await start("another")
    await until(lambda: device.refused == "bad user name or password", "refused")
    assert platform.online == set()


@pytest.mark.parametrize("parts", [0, 1, 7])
async def test_a_device_downloads_checks_restarts_and_reports(
    platform: TrialPlatform, start: Start, parts: int
) -> None:
    device = await start(manner=Manner(parts=parts, chatty=True, dashes=True, event_ids=True, checks_time=True))
    await upgraded(platform, device)
    assert device.upgrade.version == "2.0.0"
    assert platform.connects["d0"] == 2
    assert len(platform.requests) == max(parts, 1)
    assert all(bool(wanted) == bool(parts) for wanted in platform.requests)
    assert seen(device)[:2] == [What.URI_RECEIVED, What.FIRST_BLOCK]
    assert seen(device)[-4:] == [What.DOWNLOADED, What.REBOOTED, What.UPDATED, What.RESULT_REPORTED]
    assert [kind for kind, _ in platform.reports["d0"]][:2] == ["sdk_info_report", "log_report"]


async def test_the_same_offer_again_changes_nothing(platform: TrialPlatform, start: Start) -> None:
    device = await start()
    await upgraded(platform, device)
    platform.offer("d0", "2.0.0", "token-1")
    platform.offer("d0", "2.0.0", "token-1", expires=86_000)
    await asyncio.sleep(0.1)
    assert (device.upgrade.attempt, len(platform.requests)) == (1, 1)


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_failure_is_reported_with_its_code(platform: TrialPlatform, start: Start, stage: Stage) -> None:
    device = await start(manner=PARTS, fates=(Fate(Behaviour.FAIL, stage, ResultCode.NO_MEMORY),))
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-1")
    await until(lambda: What.RESULT_REPORTED in seen(device), "heard")
    kind, paras = platform.reports["d0"][-1]
    assert (kind, paras["result_code"], paras["version"]) == ("upgrade_progress_report", 9, "1.0.0")
    assert device.upgrade.version == "1.0.0"


async def test_an_image_that_is_not_what_was_offered_is_reported(platform: TrialPlatform, start: Start) -> None:
    device = await start()
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-1")
    platform.image = bytes(len(IMAGE))
    await until(lambda: What.FAILED in seen(device), "failed")
    await until(lambda: platform.reports["d0"], "report")
    assert platform.reports["d0"][-1][1]["result_code"] == 7


async def test_a_refused_download_is_reported_as_one_that_timed_out(platform: TrialPlatform, start: Start) -> None:
    await start()
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-1")
    platform.tokens.clear()
    await until(lambda: platform.reports["d0"], "report")
    assert platform.reports["d0"][-1][1]["result_code"] == 6


async def test_a_broken_download_goes_on_where_it_was(platform: TrialPlatform, start: Start) -> None:
    device = await start(manner=PARTS, fates=(Fate(Behaviour.RECONNECT, Stage.DOWNLOAD),))
    await upgraded(platform, device)
    assert platform.connects["d0"] == 3
    assert len(platform.requests) == len(set(platform.requests)) == 8
    assert hashlib.sha256(platform.image).hexdigest()


async def test_one_whose_thread_downloads_sends_no_pings_and_succeeds(platform: TrialPlatform, start: Start) -> None:
    device = await start(
        manner=PARTS, keep_alive=1, download=0.8, fates=(Fate(Behaviour.BLOCK, Stage.DOWNLOAD, after=0.1),)
    )
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-1")
    await until(lambda: device.upgrade.downloading, "downloading")
    platform.query("d0")
    await until(lambda: SUCCESS in platform.reports["d0"], "success")
    kinds = [kind for kind, _ in platform.reports["d0"]]
    assert kinds.count("version_report") <= 1


async def test_one_without_power_forgets_the_offer_and_takes_the_next(platform: TrialPlatform, start: Start) -> None:
    device = await start(manner=PARTS, fates=(Fate(Behaviour.POWER_CUT, Stage.DOWNLOAD), Fate()))
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-0")
    await until(lambda: platform.connects["d0"] == 2, "back")
    assert What.ABORTED in seen(device)
    platform.tokens.discard("token-0")
    await upgraded(platform, device)


async def test_one_that_keeps_an_old_token_tells_whether_it_was_refused(platform: TrialPlatform, start: Start) -> None:
    device = await start(fates=(Fate(Behaviour.KEEP_TOKEN, Stage.OFFER), Fate()))
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-0")
    await until(lambda: device.upgrade.attempt == 1, "offered")
    platform.tokens.discard("token-0")
    await upgraded(platform, device)
    assert seen(device).count(What.OLD_TOKEN_REFUSED) == 2
    assert measure.old_tokens_served([device.timeline]) == []


async def test_one_whose_old_token_still_serves_says_so(platform: TrialPlatform, start: Start) -> None:
    device = await start(fates=(Fate(Behaviour.KEEP_TOKEN, Stage.OFFER), Fate()))
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-0")
    await until(lambda: device.upgrade.attempt == 1, "offered")
    await upgraded(platform, device)
    assert measure.old_tokens_served([device.timeline]) == [device.spec.endpoint]


async def test_one_that_fetches_after_its_tokens_end_is_deaf_until_then(platform: TrialPlatform, start: Start) -> None:
    device = await start(fates=(Fate(Behaviour.TOO_LATE, Stage.OFFER), Fate()))
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-0", expires=0)
    await until(lambda: device.upgrade.attempt == 1, "offered")
    platform.tokens.discard("token-0")
    platform.query("d0")
    await asyncio.sleep(0.5)
    assert (platform.requests, platform.reports["d0"]) == ([], [])
    await until(lambda: seen(device).count(What.OLD_TOKEN_REFUSED) == 1, "refused")
    await until(lambda: platform.reports["d0"], "it hears again")
    await upgraded(platform, device)
    assert measure.old_tokens_served([device.timeline]) == []


async def test_one_that_tells_of_the_old_version_first_ends_with_the_new(platform: TrialPlatform, start: Start) -> None:
    device = await start(fates=(Fate(Behaviour.OLD_VERSION_FIRST),))
    await upgraded(platform, device)
    ends = [paras["version"] for _, paras in platform.reports["d0"] if paras.get("progress") == 100]
    assert ends == ["1.0.0", "2.0.0"]


async def test_one_that_dies_is_never_heard_of_again(platform: TrialPlatform, start: Start) -> None:
    device = await start(manner=PARTS, fates=(Fate(Behaviour.DIE, Stage.DOWNLOAD),))
    await until(lambda: "d0" in platform.online, "online")
    platform.offer("d0", "2.0.0", "token-1")
    await until(lambda: device.dead and not platform.online, "dead")
    reports = len(platform.reports["d0"])
    await asyncio.sleep(0.1)
    assert (len(platform.reports["d0"]), platform.connects["d0"]) == (reports, 1)


async def test_a_report_that_was_not_acknowledged_is_sent_again(platform: TrialPlatform, start: Start) -> None:
    device = await start()
    await until(lambda: "d0" in platform.online, "online")
    platform.acknowledges = False
    platform.offer("d0", "2.0.0", "token-1")
    await until(lambda: SUCCESS in platform.reports["d0"], "success")
    platform.acknowledges = True
    platform.drop("d0")
    await until(lambda: platform.reports["d0"].count(SUCCESS) == 2, "again")
    await until(lambda: What.RESULT_REPORTED in seen(device), "heard")


async def test_a_broken_connection_is_made_anew(platform: TrialPlatform, start: Start) -> None:
    device = await start()
    await until(lambda: "d0" in platform.online, "online")
    platform.drop("d0")
    await until(lambda: platform.connects["d0"] == 2 and device.online, "back")


async def test_pings_keep_a_quiet_connection_alive(platform: TrialPlatform, start: Start) -> None:
    device = await start(keep_alive=1)
    await until(lambda: "d0" in platform.online, "online")
    await asyncio.sleep(2.2)
    assert (device.online, platform.connects["d0"]) == (True, 1)


async def test_one_that_is_never_online_never_connects(platform: TrialPlatform, start: Start) -> None:
    await start(online=False)
    await asyncio.sleep(0.05)
    assert platform.connects == {}


async def test_a_fleet_from_the_command_line_logs_in_and_sums_up(tmp_path: Path) -> None:
    names = [f"mqtt-1-{number:05d}" for number in range(20)]
    trial = TrialPlatform(IMAGE, dict.fromkeys(names, SECRET))
    await trial.start()
    identities = tmp_path / "answer.json"
    secrets = [{"endpoint": name, "device_id": name, "mqtt_secret": SECRET} for name in names]
    identities.write_text(json.dumps({"created": 20, "secrets": secrets}))
    arguments = ["--devices", "20", "--failing", "0", "--duration", "3", "--broker", trial.broker]
    command = [sys.executable, "-m", "sluice_simulator.mqtt", "--identities", str(identities), *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30.0):
        output, _ = await process.communicate()
    await trial.stop()
    assert process.returncode == 0
    summary = json.loads(output)
    assert summary["counts"] | {"devices": 20, "online": 20} == summary["counts"]
    assert sorted(trial.connects) == names
    assert summary["downloads"] == 0
