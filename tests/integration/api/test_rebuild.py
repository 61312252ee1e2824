"""A database that was restored from an older backup, and the command that writes into it what Kafka has of it since."""

from typing import Any

import httpx
from tests.integration.api.api_client import APP, Json, made
from tests.integration.api.campaign import counted, publish, requests_of_all, snapshot, wait_for
from tests.integration.api.fleet import Fleet, NewFleet
from tests.integration.api.kafka_client import Bus
from tests.integration.api.operator_commands import run_command
from tests.integration.api.service_process import Documents
from tests.integration.api.waiting import eventually
from tests.processes import ServiceProcess

from sluice_common.messages.base import now
from sluice_common.messages.execution_events import DeviceFirmwareChanged
from sluice_common.topics import EXECUTION_EVENTS


def campaign(fleet: Fleet, bus: Bus) -> tuple[Json, list[str]]:
    """Have five devices in every state in which Kafka knows them, and one of whose version no execution tells."""
    package, device_ids = fleet.package(), fleet.devices(5)
    requests_of_all(bus, task := made(fleet.task(package, waiting=1)), 5)
    wait_for(fleet.app, task, status="RUNNING")
    one, two, three, four, five = device_ids
    publish(bus, *[snapshot(task, i, "RUNNING") for i in device_ids])
    publish(bus, snapshot(task, one, "SUCCEEDED", 5, reported_version="2.0"), snapshot(task, two, "FAILED", 4))
    publish(bus, snapshot(task, three, "RUNNING", 3, source_version="1.0"), snapshot(task, four, "STOPPED", 2))
    reported = DeviceFirmwareChanged(app_id=APP, occurred_at=now(), device_id=five, firmware_version="1.7")
    bus.publish(EXECUTION_EVENTS, (five, reported))
    wanted = counted(running=2, succeeded=1, failed=1, stopped=1)
    wait_for(fleet.app, task, progress=wanted)
    eventually(lambda: made(fleet.app.get(f"/devices/{five}"))["firmware_version"] == "1.7")
    eventually(lambda: shown(fleet, task, device_ids)[2]["source_version"] == "1.0")
    return task, device_ids


def shown(fleet: Fleet, task: Json, device_ids: list[str]) -> list[Any]:
    """Return all that the API answers of a campaign: its executions, their task and its devices."""
    answers = [made(fleet.app.get(f"/executions/{task['task_id']}:{i}")) for i in device_ids]
    answers.append(made(fleet.app.get(f"/tasks/{task['task_id']}")))
    answers.append(made(fleet.app.get(f"/tasks/{task['task_id']}/executions")))
    return answers + [made(fleet.app.get(f"/devices/{i}")) for i in device_ids]


def lose(database: Documents, task: Json, device_ids: list[str]) -> None:
    """Lose what the projector has written of a campaign."""
    database["executions"].delete_many({"task_id": task["task_id"]})
    database["task_counts"].delete_one({"_id": task["task_id"]})
    database["device_states"].delete_many({"_id": {"$in": device_ids}})


def test_what_is_lost_comes_back_from_kafka_and_the_api_answers_as_before(
    new_fleet: NewFleet, bus: Bus, projector: ServiceProcess, database: Documents, environment: dict[str, str]
) -> None:
    fleet = new_fleet()
    task, device_ids = campaign(fleet, bus)
    before = shown(fleet, task, device_ids)
    assert projector.stop() == 0
    lose(database, task, device_ids)
    assert fleet.app.get(f"/executions/{task['task_id']}:{device_ids[0]}").status_code == httpx.codes.NOT_FOUND
    assert made(fleet.app.get(f"/devices/{device_ids[4]}")) != before[-1]
    first = run_command(environment, "rebuild")
    assert first.returncode == 0, first.stderr
    assert "execution-events: " in first.stderr
    assert "100%" in first.stderr
    assert shown(fleet, task, device_ids) == before
    second = run_command(environment, "rebuild")
    assert second.stdout.startswith("0 ends of executions written"), second.stderr
    assert shown(fleet, task, device_ids) == before
    projector.start()
    publish(bus, *[snapshot(task, i, "SUCCEEDED", 9) for i in (device_ids[2], device_ids[4])])
    assert wait_for(fleet.app, task, status="FINISHED")["progress"] == counted(succeeded=3, failed=1, stopped=1)


def test_an_older_database_is_brought_up_to_date_beside_a_projector_that_has_read_on(
    new_fleet: NewFleet, bus: Bus, projector: ServiceProcess, database: Documents, environment: dict[str, str]
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(6)
    requests_of_all(bus, task := made(fleet.task(package)), 6)
    wait_for(fleet.app, task, status="RUNNING")
    backup = list(database["executions"].find({"task_id": task["task_id"]}))
    publish(bus, *[snapshot(task, i, "SUCCEEDED", 2) for i in device_ids[:4]])
    wait_for(fleet.app, task, progress=counted(running=2, succeeded=4))
    database["executions"].delete_many({"task_id": task["task_id"]})
    database["task_counts"].delete_one({"_id": task["task_id"]})
    database["executions"].insert_many(backup)
    publish(bus, snapshot(task, device_ids[4], "SUCCEEDED", 2))
    wait_for(fleet.app, task, progress=counted(running=5, succeeded=1))
    assert run_command(environment, "rebuild").returncode == 0
    assert wait_for(fleet.app, task, progress=counted(running=1, succeeded=5))["status"] == "RUNNING"
    publish(bus, snapshot(task, device_ids[5], "SUCCEEDED", 2))
    assert wait_for(fleet.app, task, status="FINISHED")["progress"] == counted(succeeded=6)
    assert projector.runs
