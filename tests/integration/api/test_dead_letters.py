"""The command that looks at dead letters and replays them, on a real Kafka."""

import re

from tests.integration.api.api_client import made
from tests.integration.api.campaign import counted, publish, requests_of_all, snapshot, wait_for
from tests.integration.api.fleet import NewFleet
from tests.integration.api.kafka_client import Bus
from tests.integration.api.operator_commands import run_command
from tests.processes import ServiceProcess

from sluice_common.ids import new_id
from sluice_common.messages.base import to_json
from sluice_common.topics import DEVICE_EVENTS, EXECUTION_EVENTS


def ids_of(output: str) -> list[str]:
    return re.findall(r"^(\d+-\d+) ", output, flags=re.MULTILINE)


def test_a_letter_is_listed_shown_and_replayed_once(
    new_fleet: NewFleet, bus: Bus, projector: ServiceProcess, environment: dict[str, str]
) -> None:
    fleet = new_fleet()
    package, (device_id,) = fleet.package(), fleet.devices(1)
    requests_of_all(bus, task := made(fleet.task(package)), 1)
    wait_for(fleet.app, task, status="RUNNING")
    ended, reason = snapshot(task, device_id, "SUCCEEDED", 2), new_id()
    partition = bus.dead_letter(EXECUTION_EVENTS, ended.execution_id, to_json(ended), reason, partition_key=device_id)
    listed = run_command(environment, "dead_letters", "list", "--reason", reason)
    (letter_id,) = ids_of(listed.stdout)
    assert f"execution-events {partition}@" in listed.stdout
    assert ended.execution_id in listed.stdout
    assert '"status":"SUCCEEDED"' in run_command(environment, "dead_letters", "show", letter_id).stdout

    unasked = run_command(environment, "dead_letters", "replay", letter_id)
    assert (unasked.returncode, "nobody to ask" in unasked.stderr) == (1, True)
    assert wait_for(fleet.app, task, status="RUNNING")["progress"]["succeeded"] == 0

    replayed = run_command(environment, "dead_letters", "replay", letter_id, "--yes")
    assert (replayed.returncode, replayed.stdout.splitlines()[-1]) == (0, f"{letter_id}: replayed")
    assert wait_for(fleet.app, task, status="FINISHED")["progress"] == counted(succeeded=1)
    assert bus.places(EXECUTION_EVENTS, ended.execution_id) == [partition]

    twice = run_command(environment, "dead_letters", "replay", letter_id, "--yes")
    assert (twice.returncode, "not replayed: replayed before" in twice.stdout) == (1, True)
    assert bus.places(EXECUTION_EVENTS, ended.execution_id) == [partition]
    assert ids_of(run_command(environment, "dead_letters", "list", "--reason", reason).stdout) == []
    kept = run_command(environment, "dead_letters", "list", "--reason", reason, "--all").stdout
    assert "[replayed " in kept
    assert projector.runs


def test_what_is_overtaken_or_no_record_of_ours_is_refused(
    new_fleet: NewFleet, bus: Bus, environment: dict[str, str]
) -> None:
    fleet = new_fleet()
    package, (device_id,) = fleet.package(), fleet.devices(1)
    requests_of_all(bus, task := made(fleet.task(package)), 1)
    reason, old = new_id(), snapshot(task, device_id, "RUNNING")
    bus.dead_letter(EXECUTION_EVENTS, old.execution_id, to_json(old), reason, partition_key=device_id)
    publish(bus, snapshot(task, device_id, "RUNNING", 2), snapshot(task, device_id, "SUCCEEDED", 3))
    bus.dead_letter(DEVICE_EVENTS, device_id, b"{}", f"{reason} (the first 2 of 3 bytes)")
    replayed = run_command(environment, "dead_letters", "replay", "--reason", reason, "--yes")
    assert replayed.returncode == 1
    assert "not replayed: something newer has come under its key" in replayed.stdout
    assert "not replayed: only its beginning was kept" in replayed.stdout


def test_a_letter_that_is_not_there_is_named(environment: dict[str, str]) -> None:
    shown = run_command(environment, "dead_letters", "show", "0-987654321")
    assert (shown.returncode, "there is no letter 0-987654321" in shown.stderr) == (1, True)
