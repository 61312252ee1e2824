"""What operators do to single executions and to those that have failed."""

import signal

from tests.integration.api.api_client import made, refused
from tests.integration.api.campaign import counted, publish, requested, requests_of_all, snapshot, wait_for
from tests.integration.api.fleet import NewFleet
from tests.integration.api.kafka_client import Bus
from tests.processes import ServiceProcess

from sluice_common.messages.device_events import ExecutionStopRequested
from sluice_common.messages.execution_events import Reason
from sluice_common.reasons import ReasonCode


def test_a_task_retries_the_devices_that_failed_in_another_and_are_still_there(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(6)
    first = made(fleet.task(package))
    requests_of_all(bus, first, 6)
    wait_for(fleet.app, first, status="RUNNING")
    ends = ["FAILED", "FAILED", "FAILED", "STOPPED", "SUCCEEDED", "SUCCEEDED"]
    publish(bus, *[snapshot(first, i, end) for i, end in zip(device_ids, ends, strict=True)])
    wait_for(fleet.app, first, status="FINISHED")
    assert fleet.app.delete(f"/devices/{device_ids[1]}").status_code == 204
    targets = {"failed_of": first["task_id"]}
    second = made(fleet.task(package, targets))
    assert second["targets"]["failed_of"] == first["task_id"]
    assert second["targets"]["statuses"] == ["FAILED"]
    assert {m.device_id for m in requests_of_all(bus, second, 2)} == {device_ids[0], device_ids[2]}
    wait_for(fleet.app, second, status="RUNNING")
    problem = refused(fleet.task(package, targets), 409, "retry_under_way")
    assert [t["task_id"] for t in problem["tasks"]] == [second["task_id"]]
    publish(bus, *[snapshot(second, device_ids[i], "SUCCEEDED") for i in (0, 2)])
    assert wait_for(fleet.app, second, status="FINISHED")["progress"] == counted(succeeded=2)
    both = targets | {"statuses": ["STOPPED", "FAILED"]}
    third = made(fleet.task(package, both))
    assert {m.device_id for m in requests_of_all(bus, third, 3)} == {device_ids[i] for i in (0, 2, 3)}


def test_a_task_is_kept_until_the_task_that_retries_it_has_begun(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(1)
    first = made(fleet.task(package))
    wait_for(fleet.app, first, status="RUNNING")
    publish(bus, snapshot(first, device_ids[0], "FAILED"))
    wait_for(fleet.app, first, status="FINISHED")
    later = made(fleet.task(package, {"failed_of": first["task_id"]}, start_at="2100-01-01T00:00:00Z"))
    path = f"/tasks/{first['task_id']}"
    assert refused(fleet.app.delete(path), 409, "task_being_retried")["tasks"][0]["task_id"] == later["task_id"]
    made(fleet.app.post(f"/tasks/{later['task_id']}/stop"))
    assert fleet.app.delete(path).status_code == 204
    refused(fleet.task(package, {"failed_of": first["task_id"]}), 422, "unknown_task")


def test_a_task_that_has_not_all_its_executions_cannot_be_retried(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    package = fleet.package()
    fleet.devices(1)
    later = made(fleet.task(package, start_at="2100-01-01T00:00:00Z"))
    refused(fleet.task(package, {"failed_of": later["task_id"]}), 409, "task_not_expanded")
    refused(fleet.task(package, {"device_ids": ["d"], "statuses": ["FAILED"]}), 422, "validation_failed")
    refused(fleet.task(package, {"failed_of": "t", "statuses": ["SUCCEEDED"]}), 422, "validation_failed")


def test_a_single_execution_is_asked_to_stop_once_and_its_task_goes_on(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(3)
    task = made(fleet.task(package))
    requests_of_all(bus, task, 3)
    wait_for(fleet.app, task, status="RUNNING")
    path = f"/executions/{task['task_id']}:{device_ids[0]}"
    for _ in range(2):
        asked_to_stop = fleet.app.post(f"{path}/stop")
        assert (asked_to_stop.status_code, asked_to_stop.json()["stop_requested"]) == (202, True)
    (request,) = requests_of_all(bus, task, 1, ExecutionStopRequested)
    assert (request.device_id, request.reason) == (device_ids[0], None)
    why = Reason(code=ReasonCode.STOPPED)
    publish(bus, snapshot(task, device_ids[0], "STOPPED", reason=why))
    publish(bus, *[snapshot(task, i, "SUCCEEDED") for i in device_ids[1:]])
    ended = wait_for(fleet.app, task, status="FINISHED")
    assert (ended["result"], ended["progress"]) == ("PARTIAL", counted(succeeded=2, stopped=1))
    refused(fleet.app.post(f"{path}/stop"), 409, "execution_ended")
    refused(fleet.app.post(f"/executions/{task['task_id']}:{'0' * 24}/stop"), 404, "not_found")
    assert len(requested(bus, task, ExecutionStopRequested)) == 1


def test_an_execution_that_is_stopped_before_the_scheduler_has_heard_of_it_keeps_what_its_task_says(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(1)
    task = made(fleet.task(package, max_retries=2))
    requests_of_all(bus, task, 1)
    wait_for(fleet.app, task, status="RUNNING")
    relay.stop(signal.SIGKILL)
    path = f"/executions/{task['task_id']}:{device_ids[0]}"
    made(fleet.app.post(f"{path}/stop"))
    assert not requested(bus, task, ExecutionStopRequested)
    relay.start()
    requests_of_all(bus, task, 1, ExecutionStopRequested)
    # As the scheduler says it of an execution that it does not know (`stop_unknown`).
    publish(bus, snapshot(task, device_ids[0], "STOPPED", attempt=0, target_version=""))
    assert wait_for(fleet.app, task, status="FINISHED")["result"] == "STOPPED"
    ended = made(fleet.app.get(path))
    assert (ended["status"], ended["attempt"], ended["target_version"], ended["max_retries"]) == (
        "STOPPED",
        0,
        "2.0",
        2,
    )
