from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.integration.api.api_client import APP, Json, client_of, made, refused
from tests.integration.api.campaign import counted, publish, requested, requests_of_all, snapshot, state, wait_for
from tests.integration.api.fleet import NewFleet
from tests.integration.api.kafka_client import Bus
from tests.integration.api.service_process import Documents
from tests.integration.api.waiting import eventually

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.device_events import (
    DeviceCommandCancelRequested,
    DeviceCommandRequested,
    ExecutionStopRequested,
)
from sluice_common.messages.execution_events import (
    Coverage,
    DeviceCommandChanged,
    DeviceCommandStatus,
    HistoryEntry,
    Reason,
    Step,
)
from sluice_common.messages.lwm2m_commands import Execute, Read, Write
from sluice_common.messages.slots import CoverageClass
from sluice_common.messages.task_events import TaskCreated, TaskStopRequested
from sluice_common.reasons import ReasonCode
from sluice_common.topics import COMMAND_EVENTS, DEVICE_EVENTS, EXECUTION_EVENTS, TASK_EVENTS


@pytest.mark.requirement("R060", "R122", "R130", "R133", "R134", "R136", "R137", "R143", "R150")
def test_a_task_asks_for_one_execution_per_device_of_its_groups(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, device_ids, others = fleet.package(), fleet.devices(45), fleet.devices(3, grouped=False)
    task = made(fleet.task(package, waiting=3600, max_retries=2, retry_interval=7, timeouts={"download": 8}))
    assert task["status"] == "EXPANDING"
    requests = requests_of_all(bus, task, 45)
    assert {r.device_id for r in requests} == set(device_ids)
    assert not set(others) & {r.device_id for r in requests}
    one = requests[0]
    assert one.execution_id == f"{task['task_id']}:{one.device_id}"
    assert (one.package.version, one.package.image_size) == ("2.0", 1000)
    assert (one.product.product_id, one.product.firmware_upgrade) == (fleet.product["product_id"], True)
    assert (one.policy.max_retries, one.policy.retry_interval, one.policy.timeouts.download) == (2, 7, 8)
    running = wait_for(fleet.app, task, status="RUNNING")
    assert running["progress"] == {
        "total": 45,
        "waiting": 45,
        "running": 0,
        "succeeded": 0,
        "failed": 0,
        "stopped": 0,
    }
    (created,) = [m for m in bus.read(TASK_EVENTS) if isinstance(m, TaskCreated) and m.task_id == task["task_id"]]
    assert created.target_version == "2.0"


@pytest.mark.requirement("R110", "R115", "R117", "R135")
def test_a_task_for_one_device_is_not_retried_unless_that_is_asked_for(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, (device_id, _) = fleet.package(), fleet.devices(2)
    task = made(fleet.task(package, {"device_ids": [device_id, device_id]}))
    (request,) = requests_of_all(bus, task, 1)
    assert request.device_id == device_id
    assert (request.policy.max_retries, request.policy.retry_interval, request.policy.waiting) == (0, 120, 10)
    execution = made(fleet.app.get(f"/executions/{task['task_id']}:{device_id}"))
    assert (execution["status"], execution["step"]) == ("WAITING", "WAITING")
    assert task["targets"]["device_ids"] == [device_id]
    listed = made(fleet.app.get("/tasks", params={"package_id": package["package_id"]}))["items"]
    assert [t["task_id"] for t in listed] == [task["task_id"]]


@pytest.mark.requirement("R015")
def test_devices_that_cannot_be_upgraded_are_let_into_a_task_and_left_to_fail(new_fleet: NewFleet, bus: Bus) -> None:
    fleet, other = new_fleet(), new_fleet(capable=False)
    package, (device_id,), (foreign,) = fleet.package(), fleet.devices(1), other.devices(1)
    task = made(fleet.task(package, {"device_ids": [device_id, foreign]}))
    by_device = {r.device_id: r.product for r in requests_of_all(bus, task, 2)}
    assert by_device[device_id].firmware_upgrade
    assert not by_device[foreign].firmware_upgrade
    incapable = other.package()
    (request,) = requests_of_all(bus, made(other.task(incapable, {"device_ids": [other.devices(1)[0]]})), 1)
    assert not request.product.firmware_upgrade


def test_a_task_names_no_timeout_beyond_what_the_platform_lets_a_slot_be_held(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    package = fleet.package()
    fleet.devices(1)
    problem = refused(fleet.task(package, timeouts={"download": 14_401}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["policy.timeouts.download"]
    made(fleet.task(package, timeouts={"download": 14_400, "online": 2_592_000}))


def test_what_is_edited_later_does_not_change_a_task_under_way(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package = fleet.package()
    fleet.devices(1)
    start_at = (now() + timedelta(seconds=2)).isoformat()
    task = made(fleet.task(package, start_at=start_at))
    assert task["status"] == "SCHEDULED"
    path = f"/products/{fleet.product['product_id']}"
    made(fleet.app.patch(path, json={"maintenance": {"firmware_upgrade": False}, "radio": {"sinr_path": "/1/2/3"}}))
    (request,) = requests_of_all(bus, task, 1)
    assert request.product.firmware_upgrade
    assert request.product.sinr_path != "/1/2/3"
    assert request.created_at.isoformat(timespec="milliseconds") == start_at[:23] + "+00:00"


def test_a_device_in_two_groups_has_one_execution(new_fleet: NewFleet, bus: Bus) -> None:
    fleet, second = new_fleet(), new_fleet()
    package, device_ids = fleet.package(), fleet.devices(30)
    made(fleet.app.post(f"/groups/{second.group_id}/devices", json={"device_ids": device_ids[5:]}))
    task = made(fleet.task(package, {"group_ids": [fleet.group_id, second.group_id]}))
    requests_of_all(bus, task, 30)
    assert wait_for(fleet.app, task, status="RUNNING")["progress"]["total"] == 30


def test_a_task_for_empty_groups_ends_at_once(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    task = made(fleet.task(fleet.package()))
    ended = wait_for(fleet.app, task, status="FINISHED")
    assert (ended["result"], ended["progress"]["total"]) == (None, 0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"targets": {}}, "targets"),
        ({"targets": {"device_ids": ["a"], "group_ids": ["b"]}}, "targets"),
        ({"targets": {"device_ids": []}}, "targets.device_ids"),
        ({"policy": {"max_retries": 6}}, "policy.max_retries"),
        ({"policy": {"max_retries": -1}}, "policy.max_retries"),
        ({"policy": {"retry_interval": 1e9}}, "policy.retry_interval"),
        ({"policy": {"end_at": "tomorrow"}}, "policy.end_at"),
        ({"policy": {"end_at": "2026-01-01T00:00:00"}}, "policy.end_at"),
        ({"policy": {"end_at": "2026-01-01T00:00:00Z"}}, "policy.end_at"),
        ({"policy": {"start_at": "2100-01-02T00:00:00Z", "end_at": "2100-01-01T00:00:00Z"}}, "policy"),
        ({"policy": {"timeouts": {"download": 0}}}, "policy.timeouts.download"),
        ({"policy": {"timeouts": {"nap": 1}}}, "policy.timeouts.nap"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_task_is_refused_by_field(app: httpx.Client, change: dict[str, Any], field: str) -> None:
    body = {"name": "t", "package_id": "p", "targets": {"group_ids": ["g"]}} | change
    problem = refused(app.post("/tasks", json=body), 422, "validation_failed")
    assert problem["errors"][0]["field"] == field


def test_a_task_needs_a_verified_package_and_targets_that_exist(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    package = fleet.package()
    refused(fleet.task(package, {"group_ids": ["unknown"]}), 422, "unknown_group")
    missing = refused(fleet.task(package, {"device_ids": ["unknown"]}), 422, "unknown_devices")
    assert missing["devices"] == [{"device_id": "unknown"}]
    refused(fleet.task({"package_id": "unknown"}), 422, "unknown_package")
    fields = {"version": "9", "product_id": fleet.product["product_id"]}
    unverified = fleet.app.post("/packages", data=fields, files={"file": ("p.zip", b"PK\x03\x04")})
    refused(fleet.task(made(unverified)), 409, "package_not_verified")


@pytest.mark.requirement("R074", "R116", "R118", "R120", "R121", "R139", "R140", "R152")
def test_executions_and_progress_follow_what_the_scheduler_says(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, (one, two, three) = fleet.package(), fleet.devices(3)
    task = made(fleet.task(package, waiting=3600))
    requests_of_all(bus, task, 3)
    wait_for(fleet.app, task, status="RUNNING")
    coverage = Coverage(
        cell_id=7, rsrp=-100, coverage_class=CoverageClass.CELL_ONLY, network="default", bearer=7, link_quality=-11
    )
    failure = Reason(code=ReasonCode.UNSUPPORTED_SOURCE_VERSION, params={"current": "0.9", "target": "2.0"})
    history = (HistoryEntry(at=now(), attempt=1, step=Step.ENDED, reason=failure),)
    publish(
        bus,
        snapshot(task, one, "RUNNING", coverage=coverage, firmware_state=1, source_version="1.0"),
        snapshot(task, two, "RUNNING"),
        snapshot(task, two, "FAILED", 2, reason=failure, reported_version="0.9", history=history),
    )
    progress = wait_for(fleet.app, task, progress=counted(waiting=2, failed=1))  # those that run: by the clock
    assert progress["status"] == "RUNNING"

    def shown_running() -> Json:
        shown = made(fleet.app.get(f"/executions/{task['task_id']}:{one}"))
        return shown if shown["step"] == "DOWNLOADING" else {}

    running = eventually(shown_running)
    assert (running["firmware_state"], running["source_version"]) == (1, "1.0")
    assert running["coverage"] == {
        "cell_id": 7,
        "rsrp": -100,
        "sinr": None,
        "coverage_class": "cell-only",
        "network": "default",
        "bearer": 7,
        "link_quality": -11,
    }
    failed = made(fleet.app.get(f"/tasks/{task['task_id']}/executions", params={"status": "FAILED"}))["items"]
    assert [e["device_id"] for e in failed] == [two]
    assert failed[0]["reason"]["text"] == "The current version 0.9 is not a supported source version of 2.0"
    assert "0.9" in failed[0]["history"][0]["reason"]["text_zh"]
    publish(bus, snapshot(task, one, "SUCCEEDED", 9, reported_version="2.0"), snapshot(task, three, "SUCCEEDED"))
    ended = wait_for(fleet.app, task, status="FINISHED")
    assert ended["result"] == "PARTIAL"
    assert ended["progress"] == counted(succeeded=2, failed=1)
    assert ended["ended_at"] is not None
    assert made(fleet.app.get(f"/devices/{one}"))["firmware_version"] == "2.0"
    all_of_task = made(fleet.app.get(f"/tasks/{task['task_id']}/executions", params={"limit": 2}))
    rest = made(fleet.app.get(f"/tasks/{task['task_id']}/executions", params={"after": all_of_task["next"]}))
    assert [e["device_id"] for e in all_of_task["items"] + rest["items"]] == [one, two, three]
    path, listed = f"/tasks/{task['task_id']}/executions", all_of_task["items"] + rest["items"]
    for wanted, shown in (
        ({"device_id": one}, [one]),
        ({"device_id": one, "status": "FAILED"}, []),
        ({"device_id": "x"}, []),
    ):
        assert [e["device_id"] for e in made(fleet.app.get(path, params=wanted))["items"]] == shown
    cursor = made(fleet.app.get(path, params={"limit": 1}))["next"]
    assert made(fleet.app.get(path, params={"device_id": listed[0]["device_id"], "after": cursor}))["items"] == []
    of_device = made(fleet.app.get(f"/devices/{two}/executions"))["items"]
    assert [e["execution_id"] for e in of_device] == [f"{task['task_id']}:{two}"]


def test_an_older_snapshot_changes_nothing(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, (device_id,) = fleet.package(), fleet.devices(1)
    task = made(fleet.task(package))
    requests_of_all(bus, task, 1)
    done = snapshot(task, device_id, "SUCCEEDED", 5, reported_version="2.0")
    publish(bus, snapshot(task, device_id, "RUNNING", 1), done)
    wait_for(fleet.app, task, status="FINISHED")
    before = made(fleet.app.get(f"/executions/{done.execution_id}"))
    publish(bus, snapshot(task, device_id, "RUNNING", 2, reported_version="1.0"), done)
    other = new_fleet()
    other.package("marker")  # what was published before it has been projected
    assert made(fleet.app.get(f"/executions/{done.execution_id}")) == before
    assert state(fleet.app, task)["status"] == "FINISHED"


@pytest.mark.requirement("R111", "R131", "D08")
def test_a_task_is_refused_while_a_device_has_a_pending_command(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(3)
    path = f"/devices/{device_ids[1]}/commands"
    command = made(fleet.app.post(path, json={"operation": "read", "path": "/3/0/0"}))
    busy = [{"device_id": device_ids[1], "because": "pending_command", "command_id": command["command_id"]}]
    assert refused(fleet.task(package), 409, "devices_busy")["devices"] == busy
    assert refused(fleet.task(package, {"device_ids": device_ids}), 409, "devices_busy")["devices"] == busy
    refused(fleet.app.delete(f"/devices/{device_ids[1]}"), 409, "devices_busy")
    made(fleet.task(package, {"device_ids": [device_ids[0]]}))
    answered = DeviceCommandChanged(
        app_id=APP,
        occurred_at=now(),
        command_id=command["command_id"],
        device_id=device_ids[1],
        version=1,
        status=DeviceCommandStatus.SUCCEEDED,
        code="2.05",
        values={"/3/0/0": "Acme", "/3/0/9": 2**70},
    )
    bus.publish(COMMAND_EVENTS, (command["command_id"], answered), partition_key=device_ids[1])
    seen = eventually(lambda: made(fleet.app.get(f"{path}/{command['command_id']}"))["code"])
    assert seen == "2.05"
    values = made(fleet.app.get(f"{path}/{command['command_id']}"))["values"]
    assert values == {"/3/0/0": "Acme", "/3/0/9": str(2**70)}
    made(fleet.task(package, {"device_ids": [device_ids[1]]}))


@pytest.mark.requirement("R111", "R131", "D08")
def test_a_task_is_refused_from_the_moment_another_one_has_its_devices(new_fleet: NewFleet, bus: Bus) -> None:
    fleet, second = new_fleet(), new_fleet()
    package, device_ids = fleet.package(), fleet.devices(25)
    made(fleet.app.post(f"/groups/{second.group_id}/devices", json={"device_ids": device_ids[-1:]}))
    task = made(fleet.task(package, waiting=3600))
    for targets in (
        {"group_ids": [fleet.group_id]},
        {"group_ids": [second.group_id]},
        {"device_ids": device_ids[-1:]},
    ):
        named = refused(fleet.task(package, targets), 409, "devices_busy")["devices"]
        assert {d["task_id"] for d in named} == {task["task_id"]}
        assert {d["device_id"] for d in named} <= set(device_ids)
    requests_of_all(bus, task, 25)
    wait_for(fleet.app, task, status="RUNNING")
    named = refused(fleet.task(package, {"group_ids": [second.group_id]}), 409, "devices_busy")["devices"]
    assert named == [{"device_id": device_ids[-1], "because": "active_execution", "task_id": task["task_id"]}]
    publish(bus, snapshot(task, device_ids[-1], "FAILED"))
    wait_for(fleet.app, task, progress=counted(waiting=24, failed=1))
    made(fleet.task(package, {"group_ids": [second.group_id]}))


@pytest.mark.requirement("R131")
def test_devices_that_join_a_group_in_mid_upgrade_are_busy_there_too(new_fleet: NewFleet, bus: Bus) -> None:
    fleet, second = new_fleet(), new_fleet()
    package, (one, two) = fleet.package(), fleet.devices(2)
    requests_of_all(bus, task := made(fleet.task(package)), 2)
    made(fleet.app.post(f"/groups/{second.group_id}/devices", json={"device_ids": [one]}))
    named = refused(fleet.task(package, {"group_ids": [second.group_id]}), 409, "devices_busy")["devices"]
    assert [d["device_id"] for d in named] == [one]
    assert fleet.app.delete(f"/groups/{second.group_id}/devices/{one}").is_success
    made(fleet.app.patch(f"/devices/{two}", json={"group_ids": [second.group_id]}))
    named = refused(fleet.task(package, {"group_ids": [second.group_id]}), 409, "devices_busy")["devices"]
    assert [(d["device_id"], d["task_id"]) for d in named] == [(two, task["task_id"])]


@pytest.mark.requirement("R112")
def test_a_device_that_is_being_upgraded_gets_no_other_command(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, (device_id,) = fleet.package(), fleet.devices(1)
    task = made(fleet.task(package))
    body = {"operation": "read", "path": "/3/0/0"}
    refused(fleet.app.post(f"/devices/{device_id}/commands", json=body), 409, "devices_busy")
    requests_of_all(bus, task, 1)
    wait_for(fleet.app, task, status="RUNNING")
    refused(fleet.app.post(f"/devices/{device_id}/commands", json=body), 409, "devices_busy")
    refused(fleet.app.delete(f"/devices/{device_id}"), 409, "devices_busy")
    publish(bus, snapshot(task, device_id, "SUCCEEDED"))
    wait_for(fleet.app, task, status="FINISHED")
    made(fleet.app.post(f"/devices/{device_id}/commands", json=body))


@pytest.mark.requirement("R111")
def test_commands_reach_the_scheduler_and_can_be_taken_back(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    (device_id,) = fleet.devices(1)
    path = f"/devices/{device_id}/commands"
    wanted = [
        ({"operation": "read", "path": "/4/0"}, Read(path="/4/0")),
        ({"operation": "write", "path": "/3/0/14", "value": "+01:00"}, Write(path="/3/0/14", value="+01:00")),
        ({"operation": "write", "path": "/1/0/1", "value": True}, Write(path="/1/0/1", value="1")),
        ({"operation": "execute", "path": "/3/0/4"}, Execute(path="/3/0/4")),
    ]
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    commands = [made(fleet.app.post(path, json=body, headers={"traceparent": trace})) for body, _ in wanted]

    def seen() -> dict[str, Any]:
        events = [m for m in bus.read(DEVICE_EVENTS) if isinstance(m, DeviceCommandRequested)]
        found = {m.command_id: m.request for m in events if m.device_id == device_id and m.traceparent == trace}
        return found if len(found) == len(wanted) else {}

    requests = eventually(seen)
    assert [requests[c["command_id"]] for c in commands] == [request for _, request in wanted]
    listed = made(fleet.app.get(path, params={"status": "PENDING", "limit": 2}))
    rest = made(fleet.app.get(path, params={"status": "PENDING", "after": listed["next"]}))
    assert {c["command_id"] for c in listed["items"] + rest["items"]} == set(requests)
    first = commands[0]["command_id"]
    for _ in range(2):
        assert made(fleet.app.post(f"{path}/{first}/cancel"))["cancel_requested"]

    def cancels() -> list[Any]:
        events = bus.read(DEVICE_EVENTS)
        return [m for m in events if isinstance(m, DeviceCommandCancelRequested) and m.command_id == first]

    assert len(eventually(cancels)) == 1
    gone = DeviceCommandChanged(
        app_id=APP,
        occurred_at=now(),
        command_id=first,
        device_id=device_id,
        version=3,
        status=DeviceCommandStatus.CANCELLED,
    )
    bus.publish(EXECUTION_EVENTS, (first, gone), partition_key=device_id)
    eventually(lambda: made(fleet.app.get(f"{path}/{first}"))["status"] == "CANCELLED")
    refused(fleet.app.post(f"{path}/{first}/cancel"), 409, "command_not_pending")
    refused(fleet.app.post(f"{path}/unknown/cancel"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"operation": "read", "path": "3/0/0"}, "validation_failed"),
        ({"operation": "read", "path": "/3/0/0/0"}, "validation_failed"),
        ({"operation": "read", "path": "/3", "value": 1}, "validation_failed"),
        ({"operation": "write", "path": "/3/0", "value": 1}, "validation_failed"),
        ({"operation": "write", "path": "/3/0/14"}, "validation_failed"),
        ({"operation": "delete", "path": "/3/0"}, "validation_failed"),
        ({"operation": "execute", "path": "/5/0/2"}, "reserved_object"),
        ({"operation": "write", "path": "/5/0/1", "value": "coap://x"}, "reserved_object"),
    ],
)
def test_a_wrong_command_is_refused(new_fleet: NewFleet, body: dict[str, Any], code: str) -> None:
    fleet = new_fleet()
    (device_id,) = fleet.devices(1)
    refused(fleet.app.post(f"/devices/{device_id}/commands", json=body), 422, code)


@pytest.mark.requirement("R117", "R118")
def test_executions_cease_to_wait_by_the_clock_and_are_found_by_what_they_show(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(3)
    task = made(fleet.task(package, waiting=0.5))
    requests_of_all(bus, task, 3)
    wait_for(fleet.app, task, status="RUNNING", progress=counted(running=3))
    path = f"/tasks/{task['task_id']}/executions"
    assert made(fleet.app.get(path, params={"status": "WAITING"})) == {"items": [], "next": None}
    publish(bus, snapshot(task, device_ids[1], "FAILED"))
    wait_for(fleet.app, task, progress=counted(running=2, failed=1))
    shown = [made(fleet.app.get(path, params=wanted))["items"] for wanted in ({}, {"status": "RUNNING"})]
    assert [[e["status"] for e in items] for items in shown] == [["RUNNING", "FAILED", "RUNNING"], ["RUNNING"] * 2]
    (execution,) = made(fleet.app.get(f"/devices/{device_ids[0]}/executions", params={"status": "RUNNING"}))["items"]
    assert (execution["step"], execution["attempt"], len(execution["history"])) == ("AWAIT_ONLINE", 1, 2)


def test_pages_of_executions_have_each_once_and_in_order_whatever_the_groups_and_the_status(
    new_fleet: NewFleet, bus: Bus
) -> None:
    fleet, second = new_fleet(), new_fleet()
    package, device_ids = fleet.package(), fleet.devices(50)
    made(fleet.app.post(f"/groups/{second.group_id}/devices", json={"device_ids": device_ids[::3]}))
    task = made(fleet.task(package, {"group_ids": [fleet.group_id, second.group_id]}, waiting=3600))
    wait_for(fleet.app, task, status="RUNNING")
    publish(bus, *[snapshot(task, i, "FAILED") for i in device_ids[::7]])
    wait_for(fleet.app, task, progress=counted(waiting=42, failed=8))

    def listed(limit: int, **wanted: str) -> list[str]:
        found: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = made(
                fleet.app.get(f"/tasks/{task['task_id']}/executions", params={"limit": limit, **wanted, **after})
            )
            found += [e["device_id"] for e in page["items"]]
            if page["next"] is None:
                return found
            assert len(page["items"]) == limit
            after = {"after": page["next"]}

    for limit in (1, 7, 50, 1000):
        assert listed(limit) == sorted(device_ids)
        assert listed(limit, status="FAILED") == sorted(device_ids[::7])
    assert listed(10, status="WAITING") == sorted(set(device_ids) - set(device_ids[::7]))
    assert listed(10, status="RUNNING") == []


@pytest.mark.requirement("R119", "R123", "R141", "R142")
def test_a_running_task_is_stopped_by_hand_before_it_can_be_deleted(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(), fleet.devices(45)
    task = made(fleet.task(package, waiting=3600))
    path = f"/tasks/{task['task_id']}"
    refused(fleet.app.delete(path), 409, "task_running")
    problem = refused(fleet.app.delete(f"/packages/{package['package_id']}"), 409, "package_in_use")
    assert [(t["task_id"], t["name"]) for t in problem["tasks"]] == [(task["task_id"], task["name"])]
    requests_of_all(bus, task, 45)
    wait_for(fleet.app, task, status="RUNNING")
    publish(bus, snapshot(task, device_ids[0], "SUCCEEDED"))
    wait_for(fleet.app, task, progress=counted(waiting=44, succeeded=1))
    for _ in range(2):
        assert made(fleet.app.post(f"{path}/stop"))["status"] == "STOPPING"
    refused(fleet.app.delete(path), 409, "task_running")
    stops = requests_of_all(bus, task, 44, ExecutionStopRequested)
    assert device_ids[0] not in {s.device_id for s in stops}
    assert any(isinstance(m, TaskStopRequested) and m.task_id == task["task_id"] for m in bus.read(TASK_EVENTS))
    publish(bus, *[snapshot(task, i, "STOPPED", reason=Reason(code=ReasonCode.STOPPED)) for i in device_ids[1:]])
    ended = wait_for(fleet.app, task, status="STOPPED")
    assert ended["progress"] == counted(succeeded=1, stopped=44)
    assert ended["result"] == "STOPPED"
    refused(fleet.app.post(f"{path}/stop"), 409, "task_ended")
    assert fleet.app.delete(path).status_code == 204
    for gone in (path, f"{path}/executions", f"/executions/{task['task_id']}:{device_ids[1]}"):
        refused(fleet.app.get(gone), 404, "not_found")
    eventually(lambda: made(fleet.app.get(f"/devices/{device_ids[1]}/executions"))["items"] == [])
    # Nothing that comes late brings anything back.
    publish(bus, snapshot(task, device_ids[1], "SUCCEEDED", 99))
    new_fleet().package("marker")
    assert made(fleet.app.get(f"/devices/{device_ids[1]}/executions"))["items"] == []
    assert fleet.app.delete(f"/packages/{package['package_id']}").status_code == 204


def test_a_task_stopped_while_it_expands_takes_no_further_devices(
    new_fleet: NewFleet, bus: Bus, database: Documents
) -> None:
    fleet = new_fleet()
    package = fleet.package()
    fleet.devices(400)
    task = made(fleet.task(package))
    made(fleet.app.post(f"/tasks/{task['task_id']}/stop"))

    def all_asked() -> bool:
        stored = database["tasks"].find_one({"_id": task["task_id"]})
        if stored is None or "relay_at" in stored:  # the relay still works on it
            return False
        asked = {m.device_id for m in requested(bus, task)}
        asked_to_stop = {m.device_id for m in requested(bus, task, ExecutionStopRequested)}
        return asked == asked_to_stop and state(fleet.app, task)["progress"]["total"] == len(asked)

    eventually(all_asked)
    asked = sorted({m.device_id for m in requested(bus, task)})
    assert len(asked) < 400
    publish(bus, *[snapshot(task, i, "STOPPED") for i in asked])
    assert wait_for(fleet.app, task, status="STOPPED")["progress"]["total"] == len(asked)


def test_a_task_for_later_can_be_stopped_before_it_begins(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    package = fleet.package()
    fleet.devices(2)
    task = made(fleet.task(package, start_at="2100-01-01T00:00:00Z"))
    made(fleet.app.post(f"/tasks/{task['task_id']}/stop"))
    assert wait_for(fleet.app, task, status="STOPPED")["progress"]["total"] == 0
    assert requested(bus, task) == []


def test_subscriptions_are_listed_without_their_secret(app: httpx.Client) -> None:
    body = {
        "event": "execution_result",
        "callback_url": f"http://127.0.0.1:1/{new_id()}",
        "secret": "s3cret that is long enough",
    }
    created = app.post("/subscriptions", json=body)
    subscription = made(created)
    path = f"/subscriptions/{subscription['subscription_id']}"
    assert subscription["signed"]
    for wanted, is_listed in (
        ({}, True),
        ({"event": body["event"]}, True),
        ({"event": "execution_state_changed"}, False),
    ):
        listed = made(app.get("/subscriptions", params=wanted | {"limit": "1000"}))["items"]
        assert (subscription in listed) == is_listed
    assert "s3cret" not in created.text + app.get(path).text
    assert app.delete(path).status_code == 204
    refused(app.get(path), 404, "not_found")
    for url in ("ftp://x/", "http://user:pw@x/", "/relative", "http://", "http://x/#f", "http://[::1"):
        refused(app.post("/subscriptions", json=body | {"callback_url": url}), 422, "callback_url_refused")


def test_an_app_has_a_hundred_subscriptions_at_most_and_may_delete_one_for_another(
    base_url: str, admin: httpx.Client
) -> None:
    created = made(admin.post("/apps", json={"name": "many subscriptions"}))
    body = {"event": "execution_result", "callback_url": "http://127.0.0.1:1/"}
    with client_of(base_url, created["client_id"], created["client_secret"]) as owner:
        first, *_ = [made(owner.post("/subscriptions", json=body))["subscription_id"] for _ in range(100)]
        refused(owner.post("/subscriptions", json=body), 409, "too_many_subscriptions")
        assert owner.delete(f"/subscriptions/{first}").status_code == 204
        made(owner.post("/subscriptions", json=body))


def test_a_deleted_subscription_takes_along_what_waits(app: httpx.Client, database: Documents) -> None:
    body = {"event": "execution_result", "callback_url": "http://127.0.0.1:1/"}
    gone, stays = (made(app.post("/subscriptions", json=body))["subscription_id"] for _ in range(2))
    for subscription_id in (gone, stays):
        for name, status in (("a", "PENDING"), ("b", "DELIVERED")):
            database["deliveries"].insert_one({"_id": f"{subscription_id}:t:{name}:FAILED", "status": status})
    assert app.delete(f"/subscriptions/{gone}").status_code == 204
    left = {d["_id"].split(":")[0] for d in database["deliveries"].find({"status": "PENDING"})}
    assert gone not in left
    assert stays in left
