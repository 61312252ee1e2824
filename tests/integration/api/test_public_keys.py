"""Public keys: several per manufacturer, rotated without a pause, revoked with effect on packages and tasks."""

from typing import Any

import httpx
import pytest
from gridfs import GridFSBucket
from tests.integration.api.api_client import Json, made, refused
from tests.integration.api.campaign import publish, requested, requests_of_all, snapshot
from tests.integration.api.fleet import Fleet, NewFleet, public_key, signed_zip, verified
from tests.integration.api.kafka_client import Bus
from tests.integration.api.service_process import Documents
from tests.integration.api.waiting import eventually

from sluice_common.messages.device_events import ExecutionStopRequested
from sluice_common.messages.package_events import PackageRevoked, PackageUploaded, PackageVerified
from sluice_common.mongo import IMAGE_BUCKET
from sluice_common.reasons import ReasonCode
from sluice_common.topics import PACKAGE_EVENTS


def upload(fleet: Fleet) -> httpx.Response:
    fields = {"version": "2.0", "product_id": fleet.product["product_id"]}
    return fleet.app.post("/packages", data=fields, files={"file": ("p_signed.zip", signed_zip())})


def offered_keys(bus: Bus, package: Json) -> set[str]:
    """Return the keys that signing may verify a package by."""

    def asked() -> list[Any]:
        return [
            m
            for m in bus.read(PACKAGE_EVENTS)
            if isinstance(m, PackageUploaded) and m.package_id == package["package_id"]
        ]

    message = eventually(asked)[0]  # at least once
    return {key.key_id for key in message.public_keys}


@pytest.mark.requirement("R050", "R051")
def test_a_key_belongs_to_the_manufacturer_of_a_product(app: httpx.Client, new_fleet: NewFleet) -> None:
    fleet, pem = new_fleet(), public_key()
    key = made(app.post("/public-keys", json={"manufacturer": fleet.name, "pem": pem}))
    assert (key["algorithm"], key["status"], len(key["fingerprint"])) == ("EC-secp256r1", "ACTIVE", 64)
    assert made(app.get(f"/public-keys/{key['key_id']}")) == key
    assert made(app.get("/public-keys", params={"manufacturer": fleet.name}))["items"] == [key]
    assert made(app.get("/public-keys", params={"manufacturer": fleet.name, "status": "REVOKED"}))["items"] == []
    refused(app.post("/public-keys", json={"manufacturer": fleet.name, "pem": pem}), 409, "duplicate")
    refused(app.post("/public-keys", json={"manufacturer": "nobody", "pem": pem}), 422, "unknown_manufacturer")
    assert app.delete(f"/public-keys/{key['key_id']}").status_code == 204
    refused(app.get(f"/public-keys/{key['key_id']}"), 404, "not_found")


@pytest.mark.parametrize("pem", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_refused(app: httpx.Client, new_fleet: NewFleet, pem: str) -> None:
    refused(app.post("/public-keys", json={"manufacturer": new_fleet().name, "pem": pem}), 422, "bad_public_key")


@pytest.mark.requirement("R052", "R053", "D15")
def test_keys_are_rotated_without_a_pause(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    old, new = fleet.key(), fleet.key(active=False)
    assert (old["status"], new["status"]) == ("ACTIVE", "INACTIVE")
    assert offered_keys(bus, made(upload(fleet))) == {old["key_id"]}
    assert made(fleet.app.post(f"/public-keys/{new['key_id']}/activate"))["status"] == "ACTIVE"
    assert offered_keys(bus, made(upload(fleet))) == {old["key_id"], new["key_id"]}
    assert made(fleet.app.post(f"/public-keys/{old['key_id']}/deactivate"))["status"] == "INACTIVE"
    assert offered_keys(bus, made(upload(fleet))) == {new["key_id"]}
    made(fleet.app.post(f"/public-keys/{new['key_id']}/deactivate"))
    refused(upload(fleet), 409, "no_public_key")


def test_a_package_stays_usable_when_its_key_is_deactivated(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    fleet.devices(1)
    package = fleet.package()
    made(fleet.app.post(f"/public-keys/{package['key_id']}/deactivate"))
    made(fleet.task(package))


@pytest.mark.requirement("D15")
def test_a_revoked_key_ends_the_use_of_its_packages(new_fleet: NewFleet, bus: Bus) -> None:
    fleet = new_fleet()
    (device_id,), (free,) = fleet.devices(1), fleet.devices(1, grouped=False)
    package = fleet.package()
    task = made(fleet.task(package))
    requests_of_all(bus, task, 1)
    path = f"/public-keys/{package['key_id']}"
    revoked = made(fleet.app.post(f"{path}/revoke", json={"reason": "stolen"}))
    assert (revoked["status"], revoked["revocation_reason"]) == ("REVOKED", "stolen")
    refused(fleet.task(package, {"device_ids": [free]}), 409, "package_revoked")
    # The executions are asked to stop for this reason, and the gateways learn that the image is revoked.
    stop = requests_of_all(bus, task, 1, ExecutionStopRequested)[0]
    assert (stop.device_id, stop.reason) == (device_id, ReasonCode.KEY_REVOKED)

    def revocations() -> list[PackageRevoked]:
        found = [m for m in bus.read(PACKAGE_EVENTS) if isinstance(m, PackageRevoked)]
        return [m for m in found if m.package_id == package["package_id"]]

    message = eventually(revocations)[0]  # at least once
    assert message.key_id == package["key_id"]
    shown = made(fleet.app.get(f"/packages/{package['package_id']}"))
    assert (shown["status"], shown["rejection"]["code"]) == ("REVOKED", "key_revoked")
    # The task says why, and ends with its executions.
    stopped = made(fleet.app.get(f"/tasks/{task['task_id']}"))
    assert (stopped["status"], stopped["stop_reason"]["code"]) == ("STOPPING", "key_revoked")
    assert "revoked" in stopped["stop_reason"]["text"]
    publish(bus, snapshot(task, device_id, "FAILED"))
    ended = eventually(lambda: _ended(fleet, task))
    assert (ended["status"], ended["result"]) == ("STOPPED", "FAILED")
    # Nothing makes it usable again.
    refused(fleet.app.post(f"{path}/activate"), 409, "key_revoked")
    refused(fleet.app.delete(path), 409, "key_revoked")
    again = {"manufacturer": fleet.name, "pem": revoked["pem"]}
    refused(fleet.app.post("/public-keys", json=again), 409, "key_revoked")
    assert made(fleet.app.post(f"{path}/revoke"))["revocation_reason"] == "stolen"


def _ended(fleet: Fleet, task: Json) -> Json:
    found = made(fleet.app.get(f"/tasks/{task['task_id']}"))
    return found if found["status"] == "STOPPED" else {}


@pytest.mark.requirement("D15")
def test_a_package_that_is_verified_while_its_key_is_being_revoked_is_revoked_too(
    new_fleet: NewFleet, bus: Bus
) -> None:
    fleet = new_fleet()
    key = fleet.key()
    package = made(upload(fleet))
    made(fleet.app.post(f"/public-keys/{key['key_id']}/revoke"))
    bus.publish(PACKAGE_EVENTS, (package["package_id"], verified(package, key["key_id"])))
    eventually(lambda: made(fleet.app.get(f"/packages/{package['package_id']}"))["status"] == "REVOKED")


def test_a_revoked_key_leaves_other_packages_and_tasks_alone(new_fleet: NewFleet, bus: Bus) -> None:
    fleet, other = new_fleet(), new_fleet()
    other.devices(1)
    kept = other.package()
    task = made(other.task(kept))
    made(fleet.app.post(f"/public-keys/{fleet.package()['key_id']}/revoke"))
    eventually(lambda: made(fleet.app.get("/packages", params={"status": "REVOKED", "limit": 1000}))["items"])
    assert made(other.app.get(f"/packages/{kept['package_id']}"))["status"] == "VERIFIED"
    assert requested(bus, task, ExecutionStopRequested) == []


def test_a_key_of_another_app_cannot_be_revoked(new_fleet: NewFleet, stranger: httpx.Client) -> None:
    key = new_fleet().key()
    for action in ("revoke", "activate", "deactivate"):
        refused(stranger.post(f"/public-keys/{key['key_id']}/{action}"), 404, "not_found")


def test_a_revoked_key_stays_even_without_packages_so_that_it_cannot_be_added_again(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    key = fleet.key()
    path = f"/public-keys/{key['key_id']}"
    made(fleet.app.post(f"{path}/revoke"))
    refused(fleet.app.delete(path), 409, "key_revoked")
    assert made(fleet.app.get(path))["status"] == "REVOKED"
    refused(fleet.app.post("/public-keys", json={"manufacturer": fleet.name, "pem": key["pem"]}), 409, "key_revoked")


def test_a_key_is_not_deleted_while_it_may_be_verifying_a_package(new_fleet: NewFleet) -> None:
    fleet, other = new_fleet(), new_fleet()
    key, foreign = fleet.key(), other.key()
    package = made(upload(fleet))
    path = f"/public-keys/{key['key_id']}"
    refused(fleet.app.delete(path), 409, "key_in_use")
    assert made(fleet.app.get(path))["status"] == "ACTIVE"
    assert other.app.delete(f"/public-keys/{foreign['key_id']}").status_code == 204
    assert fleet.app.delete(f"/packages/{package['package_id']}").status_code == 204
    assert fleet.app.delete(path).status_code == 204


@pytest.mark.parametrize("half", [True, False])
def test_a_package_that_is_verified_by_a_key_that_is_gone_is_rejected_with_its_image(
    new_fleet: NewFleet, bus: Bus, database: Documents, half: bool
) -> None:
    fleet = new_fleet()
    key = fleet.key()
    package = made(upload(fleet))
    # As a deletion leaves it that looked for packages before this one was there.
    if half:
        database["public_keys"].update_one({"_id": key["key_id"]}, {"$set": {"status": "DELETING"}})
    else:
        database["public_keys"].delete_one({"_id": key["key_id"]})
    outcome = verified(package, key["key_id"])
    images = GridFSBucket(database, IMAGE_BUCKET)
    images.upload_from_stream_with_id(outcome.image_id, "image", b"image")
    bus.publish(PACKAGE_EVENTS, (package["package_id"], outcome))
    path = f"/packages/{package['package_id']}"
    shown = eventually(lambda: found if (found := made(fleet.app.get(path)))["status"] == "REJECTED" else {})
    assert shown["rejection"] == {
        "code": "key_deleted",
        "message": "The public key that verified the package was deleted",
    }
    assert (shown["key_id"], shown["image_sha256"]) == (None, None)
    eventually(lambda: database[f"{IMAGE_BUCKET}.files"].find_one({"_id": outcome.image_id}) is None)
    refused(fleet.task(package), 409, "package_not_verified")


def test_an_outcome_that_was_half_taken_over_is_completed_when_it_comes_again(
    new_fleet: NewFleet, bus: Bus, database: Documents
) -> None:
    fleet = new_fleet()
    package = fleet.package()
    # As a projector leaves it that ends between storing the outcome and looking at the key.
    database["public_keys"].delete_one({"_id": package["key_id"]})
    fleet.devices(1)
    refused(fleet.task(package), 409, "package_not_verified")
    (outcome,) = [
        m for m in bus.read(PACKAGE_EVENTS) if isinstance(m, PackageVerified) and m.package_id == package["package_id"]
    ]
    bus.publish(PACKAGE_EVENTS, (package["package_id"], outcome))
    eventually(lambda: made(fleet.app.get(f"/packages/{package['package_id']}"))["status"] == "REJECTED")


def test_a_deletion_that_was_cut_short_is_shown_and_completed_by_repeating_it(
    new_fleet: NewFleet, database: Documents
) -> None:
    fleet = new_fleet()
    deleted, revoked = fleet.key()["key_id"], fleet.key()["key_id"]
    database["public_keys"].update_many({"_id": {"$in": [deleted, revoked]}}, {"$set": {"status": "DELETING"}})
    assert made(fleet.app.get(f"/public-keys/{deleted}"))["status"] == "DELETING"
    query = {"manufacturer": fleet.name, "status": "DELETING"}
    assert len(made(fleet.app.get("/public-keys", params=query))["items"]) == 2
    refused(fleet.app.post(f"/public-keys/{deleted}/activate"), 409, "key_deleted")
    refused(upload(fleet), 409, "no_public_key")
    assert fleet.app.delete(f"/public-keys/{deleted}").status_code == 204
    assert made(fleet.app.post(f"/public-keys/{revoked}/revoke"))["status"] == "REVOKED"
    refused(fleet.app.delete(f"/public-keys/{revoked}"), 409, "key_revoked")


def test_a_manufacturer_has_so_many_active_keys_at_most(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    key_ids = [fleet.key()["key_id"] for _ in range(32)]
    body = {"manufacturer": fleet.name, "pem": public_key()}
    refused(fleet.app.post("/public-keys", json=body), 409, "too_many_keys")
    spare = made(fleet.app.post("/public-keys", json=body | {"active": False}))["key_id"]
    refused(fleet.app.post(f"/public-keys/{spare}/activate"), 409, "too_many_keys")
    made(fleet.app.post(f"/public-keys/{key_ids[0]}/activate"))
    made(fleet.app.post(f"/public-keys/{key_ids[0]}/deactivate"))
    made(fleet.app.post(f"/public-keys/{spare}/activate"))
