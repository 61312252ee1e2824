"""Secrets of devices and subscriptions: sealed in the database, shown once, and sealed anew by a command."""

import json
import os
import subprocess
import sys

import httpx
import pytest
from tests.integration.api.api_client import APP, SECRET, Json, client_of, made, refused
from tests.integration.api.service_process import SEALING_KEY, Documents, NewProcess

from sluice_common.ids import new_id
from sluice_common.sealing import Sealer
from sluice_embedded.adapters.sockets import free_base

SEALER = Sealer([SEALING_KEY])
PSK = "00112233445566778899aabbccddeeff"
NDJSON = {"Content-Type": "application/x-ndjson"}


def product(app: httpx.Client, protocol: str = "MQTT") -> str:
    body = {"manufacturer": "Acme", "model": new_id(), "device_type": "Meter", "protocol": protocol}
    return str(made(app.post("/products", json=body))["product_id"])


def device(app: httpx.Client, product_id: str, **fields: object) -> Json:
    return made(app.post("/devices", json={"endpoint": new_id(), "product_id": product_id} | fields))


@pytest.mark.requirement("D17")
def test_the_secret_of_an_mqtt_device_is_shown_once_and_stored_sealed(app: httpx.Client, database: Documents) -> None:
    created = device(app, product(app))
    secret = created["mqtt_secret"]
    assert len(secret) == 32
    stored = database["devices"].find_one({"_id": created["device_id"]}) or {}
    assert SEALER.open(stored["mqtt_secret"]) == secret.encode()
    shown = app.get(f"/devices/{created['device_id']}")
    assert made(shown)["has_mqtt_secret"]
    assert secret not in shown.text
    assert stored["mqtt_secret"] not in shown.text


def test_a_given_secret_is_taken_and_can_be_renewed(app: httpx.Client, database: Documents) -> None:
    created = device(app, product(app), mqtt_secret="given-secret")
    assert created["mqtt_secret"] == "given-secret"
    path = f"/devices/{created['device_id']}/mqtt-secret"
    renewed = made(app.post(path))["mqtt_secret"]
    assert renewed != "given-secret"
    assert made(app.post(path, json={"mqtt_secret": "another-secret"}))["mqtt_secret"] == "another-secret"
    stored = database["devices"].find_one({"_id": created["device_id"]}) or {}
    assert SEALER.open(stored["mqtt_secret"]) == b"another-secret"
    refused(app.post(path, json={"mqtt_secret": "short"}), 422, "validation_failed")


def test_the_secret_of_the_other_protocol_is_refused(app: httpx.Client, stranger: httpx.Client) -> None:
    lwm2m = product(app, "LWM2M")
    body = {"endpoint": new_id(), "product_id": lwm2m}
    refused(app.post("/devices", json=body | {"mqtt_secret": "given-secret"}), 422, "wrong_protocol")
    created = device(app, lwm2m)
    assert "mqtt_secret" not in created
    refused(app.post(f"/devices/{created['device_id']}/mqtt-secret"), 409, "wrong_protocol")
    refused(stranger.post(f"/devices/{created['device_id']}/mqtt-secret"), 404, "not_found")
    refused(app.patch(f"/devices/{device(app, product(app))['device_id']}", json={"psk": PSK}), 409, "wrong_protocol")


def test_an_mqtt_device_takes_no_device_commands(app: httpx.Client) -> None:
    path = f"/devices/{device(app, product(app))['device_id']}/commands"
    refused(app.post(path, json={"operation": "read", "path": "/3/0/0"}), 409, "wrong_protocol")
    assert made(app.get(path))["items"] == []


@pytest.mark.requirement("D17")
def test_a_pre_shared_key_is_stored_sealed_and_never_shown(app: httpx.Client, database: Documents) -> None:
    created = app.post("/devices", json={"endpoint": new_id(), "product_id": product(app, "LWM2M"), "psk": PSK})
    device_id = made(created)["device_id"]
    assert made(created)["has_psk"]
    assert PSK not in created.text
    assert SEALER.open((database["devices"].find_one({"_id": device_id}) or {})["psk"]) == bytes.fromhex(PSK)
    made(app.patch(f"/devices/{device_id}", json={"psk": PSK * 2}))
    assert SEALER.open((database["devices"].find_one({"_id": device_id}) or {})["psk"]) == bytes.fromhex(PSK * 2)


def test_a_bulk_upload_shows_the_secrets_that_it_made(app: httpx.Client, database: Documents) -> None:
    product_id, lwm2m = product(app), product(app, "LWM2M")
    rows = [
        {"endpoint": new_id(), "product_id": product_id},
        {"endpoint": new_id(), "product_id": product_id, "mqtt_secret": "given-secret"},
        {"endpoint": new_id(), "product_id": lwm2m},
        {"endpoint": new_id(), "product_id": lwm2m, "mqtt_secret": "given-secret"},
    ]
    answer = made(app.post("/devices/bulk", content="\n".join(map(json.dumps, rows)), headers=NDJSON))
    assert (answer["created"], [(e["line"], e["code"]) for e in answer["errors"]]) == (3, [(4, "wrong_protocol")])
    (shown,) = answer["secrets"]
    assert shown["endpoint"] == rows[0]["endpoint"]
    stored = database["devices"].find_one({"_id": shown["device_id"]}) or {}
    assert SEALER.open(stored["mqtt_secret"]) == shown["mqtt_secret"].encode()
    given = database["devices"].find_one({"endpoint": rows[1]["endpoint"]}) or {}
    assert SEALER.open(given["mqtt_secret"]) == b"given-secret"


def test_a_bulk_upload_makes_no_more_secrets_than_it_can_show(app: httpx.Client) -> None:
    product_id, start = product(app), new_id()
    rows = [{"endpoint": f"{start}:{n}", "product_id": product_id} for n in range(10_001)]
    rows.append({"endpoint": f"{start}:given", "product_id": product_id, "mqtt_secret": "given-secret"})
    answer = made(app.post("/devices/bulk", content="\n".join(map(json.dumps, rows)), headers=NDJSON))
    assert (answer["created"], len(answer["secrets"])) == (10_001, 10_000)
    assert [(e["line"], e["code"]) for e in answer["errors"]] == [(10_001, "secret_missing")]
    assert len({s["mqtt_secret"] for s in answer["secrets"]}) == 10_000


def test_an_answer_that_is_kept_to_be_repeated_holds_its_secret_sealed(app: httpx.Client, database: Documents) -> None:
    headers, body = {"Idempotency-Key": new_id()}, {"endpoint": new_id(), "product_id": product(app)}
    first, second = (app.post("/devices", json=body, headers=headers) for _ in range(2))
    assert made(first) == made(second)
    assert {answer.headers["cache-control"] for answer in (first, second)} == {"no-store"}
    (kept,) = database["idempotency_keys"].find({"_id": {"$regex": headers["Idempotency-Key"]}})
    assert made(first)["mqtt_secret"] not in str(kept)


@pytest.mark.requirement("D17")
def test_the_secret_of_a_subscription_is_stored_sealed_and_never_shown(app: httpx.Client, database: Documents) -> None:
    body = {"event": "execution_result", "callback_url": "http://127.0.0.1/", "secret": "correct horse battery staple"}
    created = app.post("/subscriptions", json=body)
    assert "correct horse battery staple" not in created.text
    stored = database["subscriptions"].find_one({"_id": made(created)["subscription_id"]}) or {}
    assert SEALER.open(stored["secret"]) == b"correct horse battery staple"
    assert app.delete(f"/subscriptions/{made(created)['subscription_id']}").is_success


def test_without_a_sealing_key_only_what_has_a_secret_is_refused(app: httpx.Client, new_process: NewProcess) -> None:
    mqtt, lwm2m = product(app), product(app, "LWM2M")
    port = free_base()
    process = new_process("http", api_port=port, sealing_keys="")
    with client_of(f"http://127.0.0.1:{port}", APP, SECRET) as client:
        problem = refused(
            client.post("/devices", json={"endpoint": new_id(), "product_id": mqtt}), 503, "no_sealing_key"
        )
        assert "SLUICE_SEALING_KEYS" in problem["detail"]
        device(client, lwm2m)
    process.stop()


def reseal(environment: dict[str, str], database: str, keys: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment, "SLUICE_MONGODB_DATABASE": database, "SLUICE_SEALING_KEYS": keys}
    argv = [sys.executable, "-m", "sluice_api.entrypoints.reseal"]
    return subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def sealed(database: Documents) -> Documents:
    """A database of its own in which an old key has sealed secrets, a newer one, and one that is lost."""
    own = database.client[f"reseal_{new_id()}"]
    old, newer, lost = Sealer(["o" * 32]), Sealer(["n" * 32]), Sealer(["l" * 32])
    own["devices"].insert_many([{"_id": f"d{n}", "mqtt_secret": old.seal(b"%d" % n)} for n in range(1200)])
    own["devices"].insert_many(
        [{"_id": "both", "mqtt_secret": newer.seal(b"m"), "psk": old.seal(b"p")}, {"_id": "none"}]
    )
    own["subscriptions"].insert_many([{"_id": "s", "secret": old.seal(b"s")}, {"_id": "unsigned", "secret": None}])
    own["deliveries"].insert_one({"_id": "s:d", "secret": old.seal(b"s")})
    own["idempotency_keys"].insert_many([{"_id": "k", "sealed": lost.seal(b"k")}, {"_id": "plain", "body": b"{}"}])
    return own


@pytest.mark.requirement("D17")
def test_resealing_seals_every_secret_anew_and_may_be_repeated(environment: dict[str, str], sealed: Documents) -> None:
    new, keys = Sealer(["n" * 32]), f"{'n' * 32},{'o' * 32}"
    done = reseal(environment, sealed.name, keys)
    assert done.returncode == 1, done.stderr
    assert (
        "idempotency_keys.sealed: 0 sealed anew, 0 were current, 1 unreadable\n  no key opens, for example: k"
        in done.stderr
    )
    sealed["idempotency_keys"].delete_one({"_id": "k"})
    again = reseal(environment, sealed.name, keys)
    assert again.returncode == 0, again.stderr
    assert "devices.mqtt_secret: 0 sealed anew, 1201 were current, 0 unreadable" in again.stderr
    devices = {d["_id"]: d for d in sealed["devices"].find({})}
    assert all(new.open(devices[f"d{n}"]["mqtt_secret"]) == b"%d" % n for n in range(1200))
    assert (new.open(devices["both"]["mqtt_secret"]), new.open(devices["both"]["psk"])) == (b"m", b"p")
    assert devices["none"] == {"_id": "none"}
    for collection in ("subscriptions", "deliveries"):
        assert new.open((sealed[collection].find_one({"secret": {"$ne": None}}) or {})["secret"]) == b"s"
    # The old key is not needed any more.
    assert reseal(environment, sealed.name, "n" * 32).returncode == 0


def test_resealing_without_a_key_names_the_setting(environment: dict[str, str], sealed: Documents) -> None:
    done = reseal(environment, sealed.name, "")
    assert done.returncode == 2
    assert "SLUICE_SEALING_KEYS" in done.stderr
    assert "Traceback" not in done.stderr
