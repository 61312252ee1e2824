from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import httpx
import pytest
from tests.integration.api.api_client import APP, made, refused
from tests.integration.api.fleet import NewFleet, signed_zip
from tests.integration.api.service_process import Documents

from sluice_common.ids import new_id
from sluice_common.messages.base import now


def keyed() -> dict[str, str]:
    return {"Idempotency-Key": new_id()}


def test_the_same_creation_asked_for_twice_creates_once(app: httpx.Client) -> None:
    body, headers = {"name": new_id()}, keyed()
    first, second = (app.post("/groups", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content) == (201, first.content)
    refused(app.post("/groups", json=body), 409, "duplicate")


def test_a_key_counts_for_one_body_one_operation_and_one_app(app: httpx.Client, stranger: httpx.Client) -> None:
    headers = keyed()
    made(app.post("/groups", json={"name": new_id()}, headers=headers))
    refused(app.post("/groups", json={"name": new_id()}, headers=headers), 422, "idempotency_key_reused")
    subscription = {"event": "execution_result", "callback_url": "http://127.0.0.1/"}
    made(app.post("/subscriptions", json=subscription, headers=headers))
    group = made(stranger.post("/groups", json={"name": new_id()}, headers=headers))
    assert stranger.delete(f"/groups/{group['group_id']}").is_success


def test_a_refused_creation_leaves_its_key_free(app: httpx.Client) -> None:
    headers, name = keyed(), new_id()
    taken = made(app.post("/groups", json={"name": name}))
    refused(app.post("/groups", json={"name": name}, headers=headers), 409, "duplicate")
    assert app.delete(f"/groups/{taken['group_id']}").is_success
    made(app.post("/groups", json={"name": name}, headers=headers))


def test_of_simultaneous_creations_under_one_key_one_creates(app: httpx.Client) -> None:
    headers, body = keyed(), {"event": "execution_result", "callback_url": f"http://127.0.0.1/{new_id()}"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: app.post("/subscriptions", json=body, headers=headers), range(8)))
    assert {a.status_code for a in answers} <= {201, 409}
    assert len({a.json()["subscription_id"] for a in answers if a.is_success}) == 1
    listed = made(app.get("/subscriptions", params={"limit": 1000}))["items"]
    assert [s["callback_url"] for s in listed].count(body["callback_url"]) == 1


def reserve(database: Documents, headers: dict[str, str], since: datetime) -> str:
    """Leave what a process leaves that reserves a key and does not come to answer; return the id of its group."""
    name, group_id = f"{APP} POST /api/v1/groups {headers['Idempotency-Key']}", new_id()
    database["idempotency_keys"].insert_one({"_id": name, "resource_id": group_id, "since": since})
    return group_id


def test_a_creation_whose_process_died_is_found_again(app: httpx.Client, database: Documents) -> None:
    headers, body, long_ago = keyed(), {"name": new_id()}, now() - timedelta(minutes=5)
    group_id = reserve(database, headers, long_ago)
    database["groups"].insert_one({"_id": group_id, "app_id": APP, "created_at": long_ago} | body)
    assert made(app.post("/groups", json=body, headers=headers))["group_id"] == group_id


def test_a_creation_whose_process_died_before_it_created_is_done_by_its_repetition(
    app: httpx.Client, database: Documents
) -> None:
    headers = keyed()
    group_id = reserve(database, headers, now() - timedelta(minutes=5))
    assert made(app.post("/groups", json={"name": new_id()}, headers=headers))["group_id"] == group_id


def test_while_a_creation_is_being_worked_on_its_key_is_in_use(app: httpx.Client, database: Documents) -> None:
    headers = keyed()
    reserve(database, headers, now())
    refused(app.post("/groups", json={"name": new_id()}, headers=headers), 409, "idempotency_key_in_use")


def test_an_upload_repeated_under_its_key_stores_one_package(new_fleet: NewFleet) -> None:
    fleet, headers, content = new_fleet(), keyed(), signed_zip()
    fleet.package()
    fields = {"version": "3.0", "product_id": fleet.product["product_id"]}

    def upload(data: bytes) -> httpx.Response:
        return fleet.app.post("/packages", data=fields, files={"file": ("p.zip", data)}, headers=headers)

    first, second = upload(content), upload(content)
    assert first.status_code == second.status_code == 202
    assert first.content == second.content
    refused(upload(signed_zip()), 422, "idempotency_key_reused")
    query = {"product_id": fleet.product["product_id"], "version": "3.0"}
    assert len(made(fleet.app.get("/packages", params=query))["items"]) == 1
    assert fleet.app.get(f"/packages/{first.json()['package_id']}/file").content == content


def test_an_upload_that_is_resumed_twice_stores_one_package(new_fleet: NewFleet, database: Documents) -> None:
    fleet, headers, content = new_fleet(), keyed(), signed_zip()
    fleet.key()
    fields = {"version": "3.0", "product_id": fleet.product["product_id"]}
    name = f"{APP} POST /api/v1/packages {headers['Idempotency-Key']}"
    long_ago = now() - timedelta(minutes=5)
    database["idempotency_keys"].insert_one({"_id": name, "resource_id": new_id(), "since": long_ago})

    def upload(data: bytes) -> httpx.Response:
        return fleet.app.post("/packages", data=fields, files={"file": ("p.zip", data)}, headers=headers)

    first = made(upload(content))
    # As if it had ended before it could remember its answer.
    forgotten = {"fingerprint": True, "status": True, "body": True}
    database["idempotency_keys"].update_one({"_id": name}, {"$unset": forgotten, "$set": {"since": long_ago}})
    refused(upload(signed_zip()), 422, "idempotency_key_reused")
    database["idempotency_keys"].update_one({"_id": name}, {"$set": {"since": long_ago}})
    assert made(upload(content))["package_id"] == first["package_id"]
    query = {"product_id": fleet.product["product_id"]}
    assert len(made(fleet.app.get("/packages", params=query))["items"]) == 1


def test_an_upload_of_devices_repeated_under_its_key_gives_the_same_answer(
    app: httpx.Client, database: Documents
) -> None:
    product = made(app.post("/products", json=mqtt_product()))
    headers = keyed() | {"Content-Type": "text/csv"}
    lines = f"endpoint,product_id\n{new_id()},{product['product_id']}\n"

    def upload(content: str) -> httpx.Response:
        return app.post("/devices/bulk", content=content, headers=headers)

    first, second = upload(lines), upload(lines)
    assert first.json()["secrets"]
    assert (first.status_code, first.content) == (second.status_code, second.content) == (200, first.content)
    assert first.headers["cache-control"] == second.headers["cache-control"] == "no-store"
    refused(upload(lines + "x,y\n"), 422, "idempotency_key_reused")
    name = f"{APP} POST /api/v1/devices/bulk {headers['Idempotency-Key']}"
    assert "body" not in (database["idempotency_keys"].find_one({"_id": name}) or {})


def test_an_upload_of_devices_that_was_refused_leaves_its_key_free(app: httpx.Client) -> None:
    headers = keyed() | {"Content-Type": "text/csv"}
    refused(app.post("/devices/bulk", content="colour\n", headers=headers), 400, "bad_csv_header")
    assert made(app.post("/devices/bulk", content="endpoint,product_id\n", headers=headers))["created"] == 0


def mqtt_product() -> dict[str, str]:
    return {"manufacturer": new_id(), "model": "M", "device_type": "Meter", "protocol": "MQTT"}


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_has_1_to_255_characters(app: httpx.Client, key: str) -> None:
    response = app.post("/groups", json={"name": new_id()}, headers={"Idempotency-Key": key})
    refused(response, 422, "validation_failed")
