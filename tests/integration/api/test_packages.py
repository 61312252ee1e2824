import io
import os
import signal
import socket
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import psutil
import pytest
from gridfs import GridFSBucket
from tests.integration.api.api_client import APP, SECRET, Json, client_of, made, refused
from tests.integration.api.fleet import NewFleet, public_key, signed_zip, verified
from tests.integration.api.kafka_client import Bus
from tests.integration.api.service_process import Documents, NewProcess
from tests.integration.api.waiting import DEADLINE, eventually
from tests.processes import ServiceProcess

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.package_events import PackageRejected, PackageUploaded, SignedRelease
from sluice_common.mongo import IMAGE_BUCKET, PACKAGE_BUCKET
from sluice_common.topics import PACKAGE_EVENTS
from sluice_embedded.adapters.sockets import free_base

MIB = 1024 * 1024
UPLOADS = "uploads"


def upload(app: httpx.Client, fields: dict[str, Any], content: bytes, name: str = "p_signed.zip") -> httpx.Response:
    return app.post("/packages", data=fields, files={"file": (name, content)})


def keyed_fleet(new_fleet: NewFleet) -> tuple[Any, dict[str, Any]]:
    fleet = new_fleet()
    fleet.key()
    return fleet, {"version": "2.0.1", "product_id": fleet.product["product_id"]}


@pytest.mark.requirement("R022", "R025", "R026", "R028", "R032", "R034", "R060", "R114", "D04")
def test_an_uploaded_package_is_handed_to_verification_and_can_be_fetched_again(new_fleet: NewFleet, bus: Bus) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    content = signed_zip(600_000)
    package = made(upload(fleet.app, fields | {"source_versions": ["1.0", "1.1.*"]}, content, "固件_signed.zip"))
    assert package["status"] == "VERIFYING"
    assert package["file_name"] == "固件_signed.zip"
    assert package["source_versions"] == ["1.0", "1.1.*"]
    assert package["manufacturer"] == fleet.name
    assert (package["file_size"], package["file_sha256"]) == (len(content), sha256(content).hexdigest())
    assert (package["uploaded_by"], bool(package["created_at"])) == (APP, True)

    def asked() -> list[PackageUploaded]:
        messages = bus.read(PACKAGE_EVENTS)
        return [m for m in messages if isinstance(m, PackageUploaded) and m.package_id == package["package_id"]]

    (message,) = eventually(asked)
    assert message.app_id == APP
    assert message.file_size == len(content)
    assert len(message.public_keys) == 1
    file = fleet.app.get(f"/packages/{package['package_id']}/file")
    assert file.content == content
    assert file.headers["content-type"] == "application/zip"
    listed = made(fleet.app.get("/packages", params={"product_id": fields["product_id"], "status": "VERIFYING"}))
    assert [p["package_id"] for p in listed["items"]] == [package["package_id"]]


@pytest.mark.requirement("R023", "R024")
def test_the_outcome_of_verification_is_shown(new_fleet: NewFleet, bus: Bus) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    right, wrong = made(upload(fleet.app, fields, signed_zip())), made(upload(fleet.app, fields, signed_zip()))
    rejection = PackageRejected(
        app_id=APP, occurred_at=now(), package_id=wrong["package_id"], code="wrong_signature", message="Sign it."
    )
    key_id = fleet.key()["key_id"]
    outcome = verified(right, key_id)
    bus.publish(PACKAGE_EVENTS, (wrong["package_id"], rejection), (right["package_id"], outcome))

    def settled(package: Json) -> Json:
        found = made(fleet.app.get(f"/packages/{package['package_id']}"))
        return found if found["status"] != "VERIFYING" else {}

    rejected = eventually(lambda: settled(wrong))
    assert rejected["status"] == "REJECTED"
    assert rejected["rejection"] == {"code": "wrong_signature", "message": "Sign it."}
    accepted = eventually(lambda: settled(right))
    assert accepted["status"] == "VERIFIED"
    assert (accepted["image_size"], accepted["image_sha256"]) == (outcome.image_size, outcome.image_sha256)
    # What was settled stays so, whatever comes again.
    bus.publish(PACKAGE_EVENTS, (wrong["package_id"], verified(wrong, key_id)), (right["package_id"], outcome))
    later = fleet.package("3.0")
    assert later["status"] == "VERIFIED"
    assert settled(wrong)["status"] == "REJECTED"


def _outcome(fleet: Any, bus: Bus, fields: dict[str, Any], release: SignedRelease | None) -> Json:
    """Upload a package, have signing say that its signature holds, and return what the platform makes of it."""
    package = made(upload(fleet.app, fields, signed_zip()))
    message = verified(package, fleet.key()["key_id"], release=release)
    bus.publish(PACKAGE_EVENTS, (package["package_id"], message))

    def settled() -> Json:
        found = made(fleet.app.get(f"/packages/{package['package_id']}"))
        return found if found["status"] != "VERIFYING" else {}

    return eventually(settled)


def _release(fleet: Any, version: str, **changes: Any) -> SignedRelease:
    honest = SignedRelease(manufacturer=fleet.name, models=("M0", "M1"), version=version, sequence=7)
    return msgspec.structs.replace(honest, **changes)


@pytest.mark.requirement("R027", "R029")
def test_what_is_signed_of_a_package_is_what_it_is(new_fleet: NewFleet, bus: Bus) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    unsaid = {name: value for name, value in fields.items() if name != "version"}
    package = _outcome(fleet, bus, unsaid, _release(fleet, "2.0.1"))
    assert (package["status"], package["version"], package["manifest_version"]) == ("VERIFIED", "2.0.1", 2)
    assert (package["models"], package["sequence"]) == (["M0", "M1"], 7)
    fleet.devices(1)
    assert made(fleet.task(package))["target_version"] == "2.0.1"
    old = _outcome(fleet, bus, fields, None)
    assert (old["version"], old["manifest_version"], old["models"]) == (fields["version"], 1, [])


@pytest.mark.requirement("R023")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"manufacturer": "Another"}, "signed_manufacturer_differs"),
        ({"models": ("M0",)}, "signed_model_differs"),
        ({"version": "1.0.0"}, "signed_version_differs"),
    ],
)
def test_a_package_that_is_signed_for_something_else_is_rejected(
    changes: dict[str, Any], code: str, new_fleet: NewFleet, bus: Bus
) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    package = _outcome(fleet, bus, fields, _release(fleet, **({"version": fields["version"]} | changes)))
    assert (package["status"], package["rejection"]["code"]) == ("REJECTED", code)
    assert package["image_size"] is None


@pytest.mark.requirement("D16")
def test_where_there_is_a_least_version_the_version_must_be_signed(
    new_fleet: NewFleet, bus: Bus, database: Documents
) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    fleet.devices(1)
    before = _outcome(fleet, bus, fields, None)
    assert before["status"] == "VERIFIED"
    path = f"/products/{fields['product_id']}"
    made(fleet.app.patch(path, json={"anti_rollback": {"ordering": "numeric", "minimum_version": "2.0.0"}}))
    relabelled = fields | {"version": "9.0.0"}
    rejected = _outcome(fleet, bus, relabelled, None)
    assert (rejected["status"], rejected["rejection"]["code"]) == ("REJECTED", "manifest_v1_not_allowed")
    assert "2.0.0" in rejected["rejection"]["message"]
    rejected = _outcome(fleet, bus, {"product_id": fields["product_id"]}, _release(fleet, "1.0.0"))
    assert (rejected["status"], rejected["rejection"]["code"]) == ("REJECTED", "version_below_minimum")
    refused(fleet.task(before), 409, "manifest_v1_not_allowed")
    # As a product was stored before there was the second form of the manifest.
    database.products.update_one({"_id": fields["product_id"]}, {"$unset": {"keeps_manifest_v1": True}})
    assert _outcome(fleet, bus, relabelled, None)["status"] == "VERIFIED"
    assert made(fleet.app.patch(path, json={"keeps_manifest_v1": False}))["keeps_manifest_v1"] is False
    assert fleet.app.patch(path, json={"keeps_manifest_v1": True}).status_code == 422
    refused(fleet.task(before), 409, "manifest_v1_not_allowed")


@pytest.mark.requirement("R052", "R053")
def test_a_package_needs_a_key_of_its_manufacturer_first(new_fleet: NewFleet) -> None:
    fleet, other = new_fleet(), new_fleet()
    made(other.app.post("/public-keys", json={"manufacturer": other.name, "pem": public_key()}))
    fields = {"version": "2", "product_id": fleet.product["product_id"]}
    refused(upload(fleet.app, fields, signed_zip()), 409, "no_public_key")


@pytest.mark.requirement("R021", "R027", "R028", "R029", "R030", "R031")
@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"version": "版本2"}, "version", "validation_failed"),
        ({"version": ""}, "version", "validation_failed"),
        ({"product_id": "unknown"}, "product_id", "unknown_product"),
        ({"product_id": None}, "product_id", "validation_failed"),
        ({"manufacturer": "Other"}, "manufacturer", "product_mismatch"),
        ({"model": "m1"}, "model", "product_mismatch"),
        ({"device_type": "Lamp"}, "device_type", "product_mismatch"),
        ({"protocol": "lwm2m"}, "protocol", "product_mismatch"),
        ({"protocol": "MQTT"}, "protocol", "product_mismatch"),
        ({"source_versions": ["版本"]}, "source_versions.0", "validation_failed"),
        ({"version": ["1", "2"]}, "version", "validation_failed"),
        ({"colour": "red"}, "colour", "validation_failed"),
    ],
)
def test_fields_that_do_not_fit_are_refused_and_leave_nothing(
    new_fleet: NewFleet, change: dict[str, Any], field: str, code: str
) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    fields = {k: v for k, v in (fields | change).items() if v is not None}
    problem = refused(upload(fleet.app, fields, signed_zip()), 422, code)
    assert problem["errors"][0]["field"] == field
    assert made(fleet.app.get("/packages", params={"product_id": fleet.product["product_id"]}))["items"] == []


@pytest.mark.requirement("R021", "R044")
@pytest.mark.parametrize("content", [b"", b"PK", b"\x7fELF" + bytes(100), b"BIN" * 1000])
def test_what_is_no_zip_is_refused(new_fleet: NewFleet, content: bytes) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    refused(upload(fleet.app, fields, content), 422, "not_a_zip")


def form(boundary: str, *parts: tuple[str, str, bytes]) -> bytes:
    """Return a multipart body of (name, further disposition, content)."""
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"
        for name, more, content in parts
    ]
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


FILE = ("file", '; filename="p.zip"', signed_zip())


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", form("x", FILE)),
        ("multipart/form-data; boundary=" + "x" * 300, form("x", FILE)),
        ("multipart/form-data; boundary=x", b"no part at all"),
        ("multipart/form-data; boundary=x", form("y", FILE)),
        ("multipart/form-data; boundary=x", form("x", FILE)[:-30]),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", form("x", FILE, FILE)),
        ("multipart/form-data; boundary=x", form("x", ("image", '; filename="p.zip"', b"PK\x03\x04"))),
        ("multipart/form-data; boundary=x", form("x", ("version", "", b"1" * 5000), FILE)),
        ("multipart/form-data; boundary=x", form("x", ("version", "", b"\xff\xfe"), FILE)),
        ("multipart/form-data; boundary=x", form("x", *[("source_versions", "", b"1")] * 300, FILE)),
    ],
)
def test_a_malformed_form_is_a_bad_request(app: httpx.Client, kind: str, body: bytes) -> None:
    refused(app.post("/packages", content=body, headers={"Content-Type": kind}), 400, "malformed_multipart")


def test_a_form_without_file_names_the_field(app: httpx.Client) -> None:
    body = form("x", ("version", "", b"1"), ("product_id", "", b"p"))
    response = app.post("/packages", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert refused(response, 422, "validation_failed")["errors"][0]["field"] == "file"


def test_the_file_may_come_before_the_fields(new_fleet: NewFleet) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    body = form("x", FILE, *[(name, "", value.encode()) for name, value in fields.items()])
    made(fleet.app.post("/packages", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}))


def test_a_refused_upload_leaves_no_bytes_behind(new_fleet: NewFleet, database: Documents) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    before = database[f"{PACKAGE_BUCKET}.chunks"].count_documents({})
    refused(upload(fleet.app, fields, signed_zip(9 * MIB)), 413, "too_large")
    refused(upload(fleet.app, fields | {"protocol": "MQTT"}, signed_zip(2 * MIB)), 422, "product_mismatch")
    assert database[f"{PACKAGE_BUCKET}.chunks"].count_documents({}) == before


def begin_upload(app: httpx.Client, size: int) -> socket.socket:
    """Send so many bytes of a longer upload; return the connection."""
    url = app.base_url
    head = f"POST {url.path}packages HTTP/1.1\r\nHost: x\r\nAuthorization: {app.headers['authorization']}\r\n"
    head += f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {8 * MIB}\r\n\r\n"
    client = socket.create_connection((url.host, url.port or 0), DEADLINE)
    client.sendall(head.encode() + form("x", ("file", '; filename="p"', b"PK\x03\x04" + bytes(size)))[:-9])
    return client


def test_an_upload_that_breaks_off_leaves_no_bytes_behind(app: httpx.Client, database: Documents) -> None:
    before = database[f"{PACKAGE_BUCKET}.chunks"].count_documents({})
    with begin_upload(app, 3 * MIB):
        stored = eventually(lambda: database[f"{PACKAGE_BUCKET}.chunks"].count_documents({}) - before)
    assert stored > 0
    eventually(lambda: database[f"{PACKAGE_BUCKET}.chunks"].count_documents({}) == before)
    eventually(lambda: database[UPLOADS].count_documents({}) == 0)


def test_what_an_upload_left_whose_process_was_killed_is_deleted_a_day_later(
    new_process: NewProcess, new_fleet: NewFleet, relay: ServiceProcess, database: Documents
) -> None:
    port = free_base()
    process = new_process("http", api_port=port)
    with client_of(f"http://127.0.0.1:{port}", APP, SECRET) as client, begin_upload(client, 3 * MIB):
        left = eventually(lambda: database[UPLOADS].find_one() or {})
        chunks = {"files_id": left["_id"]}
        eventually(lambda: database[f"{PACKAGE_BUCKET}.chunks"].count_documents(chunks))
        process.stop(signal.SIGKILL)
    # It might go on yet, for all that the relay knows; one whose package is there has only kept its entry.
    fleet, fields = keyed_fleet(new_fleet)
    package = made(upload(fleet.app, fields, content := signed_zip()))
    two_days_ago = now() - timedelta(days=2)
    database[UPLOADS].insert_one({"_id": package["package_id"], "began_at": two_days_ago})
    restart(relay)
    eventually(lambda: database[UPLOADS].count_documents({}) == 1)
    assert database[f"{PACKAGE_BUCKET}.chunks"].count_documents(chunks)
    assert fleet.app.get(f"/packages/{package['package_id']}/file").content == content
    database[UPLOADS].update_one({"_id": left["_id"]}, {"$set": {"began_at": two_days_ago}})
    restart(relay)
    eventually(lambda: database[UPLOADS].count_documents({}) == 0)
    assert database[f"{PACKAGE_BUCKET}.chunks"].count_documents(chunks) == 0


def test_a_file_whose_package_was_never_stored_is_deleted_a_day_later(
    relay: ServiceProcess, database: Documents
) -> None:
    package_id = new_id()
    GridFSBucket(database, PACKAGE_BUCKET).upload_from_stream_with_id(package_id, package_id, signed_zip())
    database[UPLOADS].insert_one({"_id": package_id, "began_at": now() - timedelta(days=2)})
    restart(relay)
    eventually(lambda: database[UPLOADS].count_documents({}) == 0)
    assert database[f"{PACKAGE_BUCKET}.files"].find_one({"_id": package_id}) is None
    assert database[f"{PACKAGE_BUCKET}.chunks"].find_one({"files_id": package_id}) is None


def restart(process: ServiceProcess) -> None:
    process.stop()
    process.start()


def test_a_large_upload_does_not_lie_in_memory(new_process: NewProcess, new_fleet: NewFleet) -> None:
    port = free_base()
    process = new_process("http", api_port=port, package_limit=512 * MIB)
    fleet, fields = keyed_fleet(new_fleet)
    parts = [(name, "", value.encode()) for name, value in fields.items()]
    head, tail = form("x", *parts, ("file", '; filename="p"', b"PK\x03\x04"))[:-9], b"\r\n--x--\r\n"
    peak = 0

    def body() -> Iterator[bytes]:
        nonlocal peak
        yield head
        for _ in range(160):
            yield os.urandom(MIB)
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        yield tail

    with client_of(f"http://127.0.0.1:{port}", APP, SECRET) as client:
        before = psutil.Process(process.pid).memory_info().rss
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        package = made(client.post("/packages", content=body(), headers=kind, timeout=120))
    assert package["file_size"] == 160 * MIB + 4
    assert peak - before < 80 * MIB
    assert fleet.app.delete(f"/packages/{package['package_id']}").status_code == 204
    process.stop()


def test_a_deleted_package_takes_its_files_along(new_fleet: NewFleet, bus: Bus, database: Documents) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    package = made(upload(fleet.app, fields, signed_zip()))
    outcome = verified(package, fleet.key()["key_id"])
    GridFSBucket(database, IMAGE_BUCKET).upload_from_stream_with_id(outcome.image_id, "image", b"image")
    path = f"/packages/{package['package_id']}"
    bus.publish(PACKAGE_EVENTS, (package["package_id"], outcome))
    eventually(lambda: made(fleet.app.get(path))["status"] == "VERIFIED")
    assert fleet.app.delete(path).status_code == 204
    refused(fleet.app.get(path), 404, "not_found")
    assert database[f"{IMAGE_BUCKET}.files"].find_one({"_id": outcome.image_id}) is None
    assert database[f"{PACKAGE_BUCKET}.files"].find_one({"_id": package["package_id"]}) is None


def test_an_empty_archive_is_a_zip_for_signing_to_judge(new_fleet: NewFleet) -> None:
    fleet, fields = keyed_fleet(new_fleet)
    archive = io.BytesIO()
    zipfile.ZipFile(archive, "w").close()
    assert made(upload(fleet.app, fields | {"description": new_id()}, archive.getvalue()))["status"] == "VERIFYING"
