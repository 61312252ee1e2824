"""What keeps a task from beginning although it was created: each end of its package that came in between."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.integration.api.api_client import Json, made, refused
from tests.integration.api.campaign import counted, requested, requests_of_all, wait_for
from tests.integration.api.fleet import Fleet, NewFleet
from tests.integration.api.kafka_client import Bus
from tests.integration.api.service_process import Documents
from tests.processes import ServiceProcess

from sluice_common.messages.base import now


def deleting(database: Documents, package: Json) -> None:
    database["packages"].update_one({"_id": package["package_id"]}, {"$set": {"deleting": True}})


def deleted(database: Documents, package: Json) -> None:
    database["packages"].delete_one({"_id": package["package_id"]})


def key_revoked(database: Documents, package: Json) -> None:
    database["public_keys"].update_one({"_id": package["key_id"]}, {"$set": {"status": "REVOKED"}})


def key_deleted(database: Documents, package: Json) -> None:
    database["public_keys"].delete_one({"_id": package["key_id"]})


@pytest.mark.requirement("D15")
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (deleting, "package_deleted"),
        (deleted, "package_deleted"),
        (key_revoked, "key_revoked"),
        (key_deleted, "key_deleted"),
    ],
)
def test_a_task_whose_package_ended_before_it_was_stored_does_not_begin(
    *,
    new_fleet: NewFleet,
    bus: Bus,
    relay: ServiceProcess,
    database: Documents,
    end: Callable[[Documents, Json], None],
    code: str,
) -> None:
    fleet = new_fleet()
    package, _ = fleet.package(), fleet.devices(3)
    relay.stop()
    task = made(fleet.task(package))
    # As whoever looked for tasks before this one was there leaves it; an API that is killed now adds nothing to it.
    end(database, package)
    relay.start()
    stopped = wait_for(fleet.app, task, status="STOPPED")
    assert (stopped["stop_reason"]["code"], stopped["result"]) == (code, None)
    assert stopped["progress"] == counted()
    assert requested(bus, task) == []


@pytest.mark.requirement("D16")
@pytest.mark.parametrize(
    ("version", "code"), [("1.9", "version_below_minimum"), ("final", "version_not_comparable"), ("1.10", None)]
)
def test_a_scheduled_task_is_held_against_the_least_version_of_the_day_that_it_begins(
    new_fleet: NewFleet, bus: Bus, version: str, code: str | None
) -> None:
    fleet = new_fleet()
    package, device_ids = fleet.package(version), fleet.devices(2)
    task = made(fleet.task(package, start_at=(now() + timedelta(seconds=3)).isoformat()))
    assert task["status"] == "SCHEDULED"
    raise_minimum(fleet, "1.10")
    if code is None:
        assert {m.device_id for m in requests_of_all(bus, task, 2)} == set(device_ids)
        return
    stopped = wait_for(fleet.app, task, status="STOPPED")
    reason = stopped["stop_reason"]
    assert (reason["code"], reason["params"]) == (
        code,
        {"version": version, "minimum": "1.10", "ordering": "numeric"},
    )
    assert f"Version {version} " in reason["text"]
    assert version in reason["text_zh"]
    assert requested(bus, task) == []


def raise_minimum(fleet: Fleet, least: str) -> None:
    rule = {"ordering": "numeric", "minimum_version": least}
    made(fleet.app.patch(f"/products/{fleet.product['product_id']}", json={"anti_rollback": rule}))


@pytest.mark.requirement("D16")
def test_a_task_that_begins_at_once_is_not_held_against_what_is_raised_later(
    new_fleet: NewFleet, bus: Bus, relay: ServiceProcess
) -> None:
    fleet = new_fleet()
    package, _ = fleet.package("1.9"), fleet.devices(2)
    relay.stop()
    task = made(fleet.task(package))
    raise_minimum(fleet, "1.10")
    relay.start()
    requests_of_all(bus, task, 2)


def test_of_a_task_and_a_deletion_of_its_package_at_the_same_time_one_gives_way(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    for _ in range(5):
        package, (device_id,) = fleet.package(), fleet.devices(1)
        path = f"/packages/{package['package_id']}"
        with ThreadPoolExecutor(2) as pool:
            creation = pool.submit(fleet.task, package, {"device_ids": [device_id]})
            deletion = pool.submit(fleet.app.delete, path)
        if deletion.result().is_success:
            refused(fleet.app.get(path), 404, "not_found")
            if creation.result().is_success:
                stopped = wait_for(fleet.app, creation.result().json(), status="STOPPED")
                assert stopped["stop_reason"]["code"] == "package_deleted"
                assert requested(bus, stopped) == []
        else:
            named = refused(deletion.result(), 409, "package_in_use")["tasks"]
            assert [t["task_id"] for t in named] == [made(creation.result())["task_id"]]


def test_a_refused_deletion_leaves_the_package_open(new_fleet: NewFleet, database: Documents) -> None:
    fleet = new_fleet()
    package, (one, two) = fleet.package(), fleet.devices(2)
    made(fleet.task(package, {"device_ids": [one]}))
    refused(fleet.app.delete(f"/packages/{package['package_id']}"), 409, "package_in_use")
    assert "deleting" not in (database["packages"].find_one({"_id": package["package_id"]}) or {})
    made(fleet.task(package, {"device_ids": [two]}))


def test_a_deletion_that_was_cut_short_is_shown_and_completed_by_repeating_it(
    new_fleet: NewFleet, database: Documents
) -> None:
    fleet = new_fleet()
    package, _ = fleet.package(), fleet.devices(1)
    deleting(database, package)
    path = f"/packages/{package['package_id']}"
    assert made(fleet.app.get(path))["status"] == "DELETING"
    of_product = {"product_id": fleet.product["product_id"]}
    for status, count in (("DELETING", 1), ("VERIFIED", 0)):
        found = made(fleet.app.get("/packages", params=of_product | {"status": status}))["items"]
        assert len(found) == count
    problem = refused(fleet.task(package), 409, "package_not_verified")
    assert "DELETING" in problem["detail"]
    assert fleet.app.delete(path).status_code == 204
    refused(fleet.app.get(path), 404, "not_found")
