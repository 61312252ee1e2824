"""What the relay holds to when it is killed, overtaken, or not alone."""

import signal
import time
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.api.api_client import APP, made
from tests.integration.api.campaign import counted, publish, requested, requests_of_all, snapshot, wait_for
from tests.integration.api.fleet import NewFleet
from tests.integration.api.kafka_client import Bus
from tests.integration.api.service_process import Documents, NewProcess
from tests.integration.api.waiting import eventually
from tests.processes import ServiceProcess

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.device_events import DeviceCommandRequested, ExecutionStopRequested
from sluice_common.topics import DEVICE_EVENTS, EXECUTION_EVENTS


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("moment", [0.0, 0.3, 0.6])
def test_a_relay_that_ends_in_the_midst_goes_on_behind_its_checkpoint(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, moment: float, how: signal.Signals
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(300)
    task = made(fleet.task(package, waiting=3600))
    time.sleep(moment)
    relay.stop(how)
    relay.start()
    running = wait_for(fleet.app, task, status="RUNNING")
    assert running["progress"] == counted(waiting=300)
    assert {m.device_id for m in requested(bus, task)} == set(device_ids)


def test_a_page_that_was_inserted_is_published_even_if_its_devices_have_left_the_group(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, database: Documents
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(10)
    relay.stop(signal.SIGKILL)
    task = made(fleet.task(package))
    # As a relay leaves it that dies between inserting a page and publishing it.
    begin_page(database, task, device_ids[0], fleet.product["product_id"])
    database["devices"].update_one({"_id": device_ids[0]}, {"$set": {"group_ids": []}})
    relay.start()
    assert {m.device_id for m in requests_of_all(bus, task, 10)} == set(device_ids)
    assert wait_for(fleet.app, task, status="RUNNING")["progress"]["total"] == 10


def test_executions_of_a_page_that_was_begun_when_the_task_was_stopped_are_asked_to_stop_too(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, database: Documents
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(10)
    relay.stop(signal.SIGKILL)
    task = made(fleet.task(package))
    begin_page(database, task, device_ids[3], fleet.product["product_id"])
    made(fleet.app.post(f"/tasks/{task['task_id']}/stop"))
    relay.start()
    assert [m.device_id for m in requests_of_all(bus, task, 1)] == [device_ids[3]]
    assert [m.device_id for m in requests_of_all(bus, task, 1, ExecutionStopRequested)] == [device_ids[3]]
    publish(bus, snapshot(task, device_ids[3], "STOPPED"))
    assert wait_for(fleet.app, task, status="STOPPED")["progress"] == counted(stopped=1)


def test_a_task_that_cannot_be_read_keeps_no_other_from_its_turn(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, database: Documents
) -> None:
    assert relay.runs
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(10)
    # The least id of all: it comes first.
    broken = {"_id": "0" * 24, "app_id": "nobody", "status": "RUNNING", "targets": 7, "relay_at": now()}
    database["tasks"].insert_one(broken)
    task = made(fleet.task(package))
    assert {m.device_id for m in requests_of_all(bus, task, 10)} == set(device_ids)
    assert wait_for(fleet.app, task, status="RUNNING")["progress"]["total"] == 10
    database["tasks"].delete_one({"_id": broken["_id"]})


def test_kafka_forgets_the_executions_of_a_deleted_task(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, projector: ServiceProcess, database: Documents
) -> None:
    assert relay.runs
    assert projector.runs
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(3)
    task = made(fleet.task(package))
    wait_for(fleet.app, task, status="RUNNING")
    for device_id in device_ids:
        publish(bus, snapshot(task, device_id, "SUCCEEDED"))
    wait_for(fleet.app, task, status="FINISHED")
    assert fleet.app.delete(f"/tasks/{task['task_id']}").status_code == 204
    eventually(lambda: not database["executions"].count_documents({"task_id": task["task_id"]}))
    assert bus.last_values(EXECUTION_EVENTS, {f"{task['task_id']}:{i}" for i in device_ids}) == {None}


def begin_page(database: Documents, task: dict[str, Any], device_id: str, product_id: str) -> None:
    planned = {"group": 0, "after": device_id, "last": device_id, "device_ids": [device_id]}
    database["execution_pages"].insert_one({"_id": f"{task['task_id']}:0", "task_id": task["task_id"], **planned})
    database["executions"].insert_one(row(task, device_id, product_id))


def row(task: dict[str, Any], device_id: str, product_id: str) -> dict[str, Any]:
    return {
        "_id": f"{task['task_id']}:{device_id}",
        "app_id": APP,
        "task_id": task["task_id"],
        "page": 0,
        "device_id": device_id,
        "endpoint": "e",
        "product_id": product_id,
        "group_ids": [],
        "active": True,
        "version": -1,
        "status": "WAITING",
        "step": "WAITING",
        "attempt": 0,
        "max_retries": 0,
        "target_version": "2.0",
        "created_at": now(),
        "history": [],
    }


def test_a_killed_relay_goes_on_stopping(new_fleet: NewFleet, bus: Bus, relay: ServiceProcess) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(200)
    task = made(fleet.task(package))
    wait_for(fleet.app, task, status="RUNNING")
    made(fleet.app.post(f"/tasks/{task['task_id']}/stop"))
    time.sleep(0.2)
    relay.stop(signal.SIGKILL)
    relay.start()
    asked = requests_of_all(bus, task, 200, ExecutionStopRequested)
    assert {m.device_id for m in asked} == set(device_ids)


def test_messages_that_were_written_while_no_relay_ran_are_published_later(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess
) -> None:
    fleet = new_fleet()
    (device_id,) = fleet.devices(1)
    assert relay.stop(signal.SIGTERM) == 0
    body = {"operation": "read", "path": "/3/0/0"}
    command = made(fleet.app.post(f"/devices/{device_id}/commands", json=body))
    relay.start()

    def seen() -> list[Any]:
        events = [m for m in bus.read(DEVICE_EVENTS) if isinstance(m, DeviceCommandRequested)]
        return [m for m in events if m.command_id == command["command_id"]]

    assert len(eventually(seen)) == 1


def test_of_two_relays_one_works_and_the_other_takes_over(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, new_process: NewProcess
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(100)
    second = new_process("relay", relay_page=20, relay_interval=0.05, relay_lease=2, relay_name="second")
    time.sleep(1)
    first_task = made(fleet.task(package, {"device_ids": device_ids[:50]}))
    wait_for(fleet.app, first_task, status="RUNNING")
    assert len(requested(bus, first_task)) == 50
    relay.stop(signal.SIGKILL)
    second_task = made(fleet.task(package, {"device_ids": device_ids[50:]}))
    assert wait_for(fleet.app, second_task, status="RUNNING")["progress"]["total"] == 50
    assert len(requested(bus, second_task)) == 50
    relay.start()
    second.stop()


def test_two_relays_that_both_work_lose_nothing_and_make_no_second_execution(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, new_process: NewProcess
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(200)
    # The same name: both hold the lease, as one that was stopped for long and woke up.
    second = new_process("relay", relay_page=20, relay_interval=0.05, relay_lease=2)
    tasks = [made(fleet.task(package, {"device_ids": device_ids[i : i + 50]}, waiting=3600)) for i in range(0, 200, 50)]
    for task in tasks:
        assert wait_for(fleet.app, task, status="RUNNING")["progress"] == counted(waiting=50)
        assert len({m.execution_id for m in requested(bus, task)}) == 50
    assert second.stop() == 0
    assert relay.runs


def test_devices_that_come_after_the_task_are_not_its_targets(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, database: Documents
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(2)
    relay.stop()
    task = made(fleet.task(package))
    late = database["devices"].find_one({"_id": device_ids[0]})
    assert late is not None
    after = int((now() + timedelta(seconds=5)).timestamp())
    database["devices"].insert_one(late | {"_id": f"{after:08x}{new_id()[8:]}", "endpoint": new_id()})
    relay.start()
    assert wait_for(fleet.app, task, status="RUNNING")["progress"]["total"] == 2
    assert {m.device_id for m in requested(bus, task)} == set(device_ids)


def test_a_task_is_stopped_before_3_000_others_begin(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, database: Documents
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(30)
    task = made(fleet.task(package))
    wait_for(fleet.app, task, status="RUNNING")
    relay.stop()
    stored = database["tasks"].find_one({"_id": task["task_id"]})
    assert stored is not None
    empty = {"app_id": "nobody", "status": "EXPANDING", "targets": {"group_ids": ["none"]}, "relay_at": now()}
    begins = [stored | empty | {"_id": f"{n:024}", "expansion": {"page": 1}} for n in range(3_000)]
    for first in range(0, len(begins), 1000):  # Their ids, and their time, come before those of the stop.
        database["tasks"].insert_many(begins[first : first + 1000])
    made(fleet.app.post(f"/tasks/{task['task_id']}/stop"))
    relay.start()
    assert {m.device_id for m in requests_of_all(bus, task, 30, ExecutionStopRequested)} == set(device_ids)
    eventually(lambda: "relay_at" not in (database["tasks"].find_one({"_id": task["task_id"]}) or {}))
    assert database["tasks"].count_documents({"app_id": "nobody", "status": "EXPANDING"}) > 2_500
    database["tasks"].delete_many({"app_id": "nobody"})
