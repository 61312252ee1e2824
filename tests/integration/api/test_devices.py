import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from tests.integration.api.api_client import APP, client_of, made, refused
from tests.integration.api.fleet import Fleet, NewFleet
from tests.integration.api.kafka_client import Bus
from tests.integration.api.service_process import Documents
from tests.integration.api.waiting import eventually
from tests.processes import ServiceProcess

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceCommandStatus, DeviceFirmwareChanged
from sluice_common.messages.registrations import Registration
from sluice_common.topics import COMMAND_EVENTS, EXECUTION_EVENTS, REGISTRATIONS

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv; charset=utf-8"}


def test_a_device_is_created_changed_listed_and_deleted(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    body = {"endpoint": f"urn:{new_id()}", "product_id": fleet.product["product_id"], "tags": ["a", "b"]}
    device = made(fleet.app.post("/devices", json=body | {"group_ids": [fleet.group_id]}))
    path = f"/devices/{device['device_id']}"
    assert device["registration"] is None
    assert device["firmware_version"] is None
    changed = made(fleet.app.patch(path, json={"name": "Zähler 7", "tags": ["c"]}))
    assert (changed["name"], changed["tags"], changed["group_ids"]) == ("Zähler 7", ["c"], [fleet.group_id])
    for query in ({"tag": "c"}, {"group_id": fleet.group_id}, {"endpoint": body["endpoint"]}):
        found = made(fleet.app.get("/devices", params=query | {"product_id": body["product_id"]}))
        assert found["items"] == [changed]
    assert made(fleet.app.get("/devices", params={"tag": "a", "product_id": body["product_id"]}))["items"] == []
    assert fleet.app.delete(path).status_code == 204
    refused(fleet.app.get(path), 404, "not_found")
    refused(fleet.app.delete(path), 404, "not_found")


@pytest.fixture
def other_app(base_url: str, admin: httpx.Client) -> Iterator[httpx.Client]:
    created = made(admin.post("/apps", json={"name": "other"}))
    with client_of(base_url, created["client_id"], created["client_secret"]) as client:
        yield client


def test_an_endpoint_is_unique_in_an_app_and_says_nothing_of_other_apps(
    new_fleet: NewFleet, other_app: httpx.Client, bus: Bus
) -> None:
    endpoint = f"urn:{new_id()}"
    for owner in (new_fleet(), Fleet(other_app, bus)):
        body = {"endpoint": endpoint, "product_id": owner.product["product_id"]}
        device = made(owner.app.post("/devices", json=body))
        refused(owner.app.post("/devices", json=body), 409, "duplicate")
        listed = made(owner.app.get("/devices", params={"endpoint": endpoint}))["items"]
        assert [found["device_id"] for found in listed] == [device["device_id"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"endpoint": ""}, "endpoint"),
        ({"endpoint": "x" * 256}, "endpoint"),
        ({"endpoint": "a\u0000b"}, "endpoint"),
        ({"tags": [""]}, "tags.0"),
        ({"tags": ["x"] * 33}, "tags"),
        ({"device_id": "mine"}, "device_id"),
    ],
)
def test_a_wrong_device_is_refused_by_field(new_fleet: NewFleet, change: dict[str, Any], field: str) -> None:
    fleet = new_fleet()
    body = {"endpoint": "e", "product_id": fleet.product["product_id"]} | change
    problem = refused(fleet.app.post("/devices", json=body), 422, "validation_failed")
    assert problem["errors"][0]["field"] == field


def test_lines_that_are_wrong_do_not_stop_a_bulk_upload(new_fleet: NewFleet) -> None:
    fleet, start = new_fleet(), new_id()
    right = {"endpoint": f"{start}:1", "product_id": fleet.product["product_id"], "group_ids": [fleet.group_id]}
    lines = [
        json.dumps(right).encode(),
        b"",
        b"{",
        b"\xff",
        json.dumps(right).encode(),
        json.dumps(right | {"product_id": "unknown"}).encode(),
        json.dumps(right | {"endpoint": f"{start}:2", "group_ids": ["unknown"]}).encode(),
        b"x" * 20_000,
        json.dumps(right | {"endpoint": f"{start}:3"}).encode() + b"\r",
    ]
    result = made(fleet.app.post("/devices/bulk", content=b"\n".join(lines), headers=NDJSON))
    assert (result["created"], result["failed"]) == (2, 6)
    assert [(e["line"], e["code"]) for e in result["errors"]] == [
        (3, "validation_failed"),
        (4, "validation_failed"),
        (5, "duplicate"),
        (6, "unknown_product"),
        (7, "unknown_group"),
        (8, "line_too_long"),
    ]
    listed = made(fleet.app.get("/devices", params={"group_id": fleet.group_id}))["items"]
    assert {d["endpoint"] for d in listed} == {f"{start}:1", f"{start}:3"}


def test_csv_names_its_columns_in_a_header(new_fleet: NewFleet) -> None:
    fleet, start, product_id = new_fleet(), new_id(), new_fleet().product["product_id"]
    content = (
        "\ufeffproduct_id,endpoint,name,tags,group_ids\r\n"
        f'{product_id},{start}:1,"Meter, north",{start};b, {fleet.group_id} \r\n'
        f"{product_id},{start}:2,,{start},\r\n"
        f"{product_id},{start}:3\r\n"
    )
    result = made(fleet.app.post("/devices/bulk", content=content.encode(), headers=CSV))
    assert (result["created"], [e["line"] for e in result["errors"]]) == (2, [4])
    devices = {d["endpoint"]: d for d in made(fleet.app.get("/devices", params={"tag": start}))["items"]}
    first = devices[f"{start}:1"]
    assert (first["name"], first["tags"], first["group_ids"]) == ("Meter, north", [start, "b"], [fleet.group_id])


@pytest.mark.parametrize("header", ["endpoint", "endpoint,product_id,colour", "endpoint,endpoint,product_id", "\x00"])
def test_a_csv_without_usable_header_is_refused(app: httpx.Client, header: str) -> None:
    response = app.post("/devices/bulk", content=f"{header}\nx,y\n".encode(), headers=CSV)
    refused(response, 400, "bad_csv_header")


def test_a_bulk_upload_is_ndjson_or_csv(app: httpx.Client) -> None:
    response = app.post("/devices/bulk", content=b"[]", headers={"Content-Type": "application/json"})
    refused(response, 415, "unsupported_media_type")


def test_ten_thousand_devices_come_in_one_upload_and_are_paged_through_once(new_fleet: NewFleet) -> None:
    fleet, start, product_id = new_fleet(), new_id(), new_fleet().product["product_id"]
    count = 10_000

    def lines() -> Any:
        for i in range(count):
            yield f'{{"endpoint":"{start}:{i}","product_id":"{product_id}"}}\n'.encode()

    result = made(fleet.app.post("/devices/bulk", content=lines(), headers=NDJSON, timeout=240))
    assert (result["created"], result["failed"]) == (count, 0)
    seen: list[str] = []
    after: str | None = None
    while after or not seen:
        query = {"product_id": product_id, "limit": 1000} | ({"after": after} if after else {})
        page = made(fleet.app.get("/devices", params=query, timeout=60))
        seen += [d["endpoint"] for d in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(f"{start}:{i}" for i in range(count))


@pytest.mark.requirement("R138")
def test_devices_join_and_leave_groups(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    one, two, three = fleet.devices(3, grouped=False)
    path = f"/groups/{fleet.group_id}"
    for _ in range(2):
        assert made(fleet.app.post(f"{path}/devices", json={"device_ids": [one, two]}))["added"] == 2
    members = {"group_id": fleet.group_id}
    assert [d["device_id"] for d in made(fleet.app.get("/devices", params=members))["items"]] == [one, two]
    assert fleet.app.delete(f"{path}/devices/{one}").status_code == 204
    refused(fleet.app.delete(f"{path}/devices/{three}"), 404, "not_found")
    made(fleet.app.patch(f"/devices/{three}", json={"group_ids": [fleet.group_id]}))
    assert [d["device_id"] for d in made(fleet.app.get("/devices", params=members))["items"]] == [two, three]
    unknown = refused(fleet.app.post(f"{path}/devices", json={"device_ids": [one, "unknown"]}), 422, "unknown_devices")
    assert unknown["devices"] == [{"device_id": "unknown"}]
    assert fleet.app.delete(path).status_code == 204
    assert made(fleet.app.get(f"/devices/{two}"))["group_ids"] == []
    refused(fleet.app.get(path), 404, "not_found")


def registration(device_id: str, **changes: Any) -> Registration:
    plain = Registration(
        app_id=APP,
        occurred_at=now(),
        device_id=device_id,
        endpoint="e",
        address="192.0.2.1:5683",
        gateway=0,
        epoch=1,
        location="x",
        lifetime=300,
        expires_at=now(),
        queue_mode=True,
        objects=("/3/0", "/5/0"),
    )
    return msgspec.structs.replace(plain, **changes)


def test_a_registration_is_shown_with_its_device(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    device_id, other = fleet.devices(2)
    bus.publish(REGISTRATIONS, (device_id, registration(device_id)), ("gone", registration("gone")))

    def shown() -> Any:
        return made(fleet.app.get(f"/devices/{device_id}"))["registration"]

    first = eventually(shown)
    assert first["registered"]
    assert (first["lifetime"], first["queue_mode"], first["objects"]) == (300, True, ["/3/0", "/5/0"])
    registered: dict[str, str | bool] = {"group_id": fleet.group_id, "registered": True}
    assert [d["device_id"] for d in made(fleet.app.get("/devices", params=registered))["items"]] == [device_id]
    bus.publish(REGISTRATIONS, (device_id, registration(device_id, epoch=2, deregistered=True)))
    eventually(lambda: shown()["registered"] is False)
    assert made(fleet.app.get(f"/devices/{other}"))["registration"] is None


def test_devices_are_listed_by_whether_they_are_registered(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    device_id, silent = fleet.devices(2)

    def listed(*, registered: bool) -> list[str]:
        wanted: dict[str, str | bool] = {"group_id": fleet.group_id, "registered": registered}
        return [d["device_id"] for d in made(fleet.app.get("/devices", params=wanted))["items"]]

    for epoch in (1, 3):
        bus.publish(REGISTRATIONS, (device_id, registration(device_id, epoch=epoch)))
        eventually(lambda: listed(registered=True) == [device_id])
        assert listed(registered=False) == []
        bus.publish(REGISTRATIONS, (device_id, registration(device_id, epoch=epoch + 1, deregistered=True)))
        eventually(lambda: listed(registered=False) == [device_id])
        assert listed(registered=True) == []
    assert made(fleet.app.get(f"/devices/{silent}"))["registration"] is None


def test_what_a_deleted_device_reported_is_deleted_with_it_and_stays_deleted(
    new_fleet: NewFleet, bus: Bus, database: Documents
) -> None:
    fleet = new_fleet()
    device_id, other = fleet.devices(2)
    bus.publish(REGISTRATIONS, (device_id, registration(device_id)))
    eventually(lambda: made(fleet.app.get(f"/devices/{device_id}"))["registration"])
    assert fleet.app.delete(f"/devices/{device_id}").status_code == 204
    later = registration(device_id, epoch=2, address="192.0.2.9:5683")
    bus.publish(REGISTRATIONS, (device_id, later), (other, registration(other)))
    eventually(lambda: made(fleet.app.get(f"/devices/{other}"))["registration"])
    assert database["device_states"].find_one({"_id": device_id}) is None


def test_kafka_forgets_a_deleted_device(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess, projector: ServiceProcess
) -> None:
    fleet = new_fleet()
    gone, stays = fleet.devices(2)
    command_ids = {}
    for device_id in (gone, stays):
        reported = DeviceFirmwareChanged(app_id=APP, occurred_at=now(), device_id=device_id, firmware_version="1.0")
        bus.publish(EXECUTION_EVENTS, (device_id, reported))
        bus.publish(REGISTRATIONS, (device_id, registration(device_id)))
        command = made(fleet.app.post(f"/devices/{device_id}/commands", json={"operation": "read", "path": "/3/0/3"}))
        command_ids[device_id] = command["command_id"]
        answered = DeviceCommandChanged(
            app_id=APP,
            occurred_at=now(),
            command_id=command["command_id"],
            device_id=device_id,
            version=9,
            status=DeviceCommandStatus.SUCCEEDED,
        )
        bus.publish(COMMAND_EVENTS, (command["command_id"], answered), partition_key=device_id)
    eventually(lambda: fleet.app.delete(f"/devices/{gone}").status_code == 204)
    keys = [(REGISTRATIONS, gone), (EXECUTION_EVENTS, gone), (COMMAND_EVENTS, command_ids[gone])]
    eventually(lambda: all(bus.last_values(topic, {key}) == {None} for topic, key in keys))
    kept = [(REGISTRATIONS, stays), (EXECUTION_EVENTS, stays), (COMMAND_EVENTS, command_ids[stays])]
    assert all(bus.last_values(topic, {key}) != {None} for topic, key in kept)
    assert made(fleet.app.get(f"/devices/{stays}"))["firmware_version"] == "1.0"
    assert relay.runs
    assert projector.runs


def test_who_deletes_what_is_not_theirs_leaves_no_trace_of_it(
    new_fleet: NewFleet, stranger: httpx.Client, database: Documents
) -> None:
    owner = new_fleet()
    (device_id,) = owner.devices(1)
    for foreign in (device_id, f"t:{device_id}"):
        refused(stranger.delete(f"/devices/{foreign}"), 404, "not_found")
        assert database["deleted_devices"].find_one({"_id": foreign}) is None
    assert made(owner.app.get(f"/devices/{device_id}"))["device_id"] == device_id
