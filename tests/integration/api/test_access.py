import socket
import time

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.integration.api.api_client import ADMIN_PASSWORD, APP, SECRET, client_of, made, refused
from tests.integration.api.fleet import Fleet, NewFleet
from tests.integration.api.waiting import DEADLINE

from sluice_api.domain.access_tokens import AccessTokens


@pytest.mark.requirement("R150")
def test_an_app_gets_a_token_by_form_or_by_basic_authentication(base_url: str) -> None:
    url = f"{base_url}/api/v1/oauth2/token"
    form = {"grant_type": "client_credentials"}
    for response in (
        httpx.post(url, data=form | {"client_id": APP, "client_secret": SECRET}, timeout=DEADLINE),
        httpx.post(url, data=form, auth=(APP, SECRET), timeout=DEADLINE),
        httpx.post(url, data=form, auth=("admin", ADMIN_PASSWORD), timeout=DEADLINE),
    ):
        body = made(response)
        assert body["token_type"] == "Bearer"
        assert body["expires_in"] > 0
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": APP, "client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "admin", "client_secret": ""}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": APP, "client_secret": "x" * 2000}, 422, "validation_failed"),
    ],
)
def test_wrong_credentials_are_refused(base_url: str, form: dict[str, str], status: int, code: str) -> None:
    refused(httpx.post(f"{base_url}/api/v1/oauth2/token", data=form, timeout=DEADLINE), status, code)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic Zm9vOmJhcg==", "Bearer \xff"])
def test_without_a_valid_token_everything_is_refused(base_url: str, header: str) -> None:
    headers = {b"Authorization": header.encode("latin-1")} if header else {}
    problem = httpx.get(f"{base_url}/api/v1/devices", headers=headers, timeout=DEADLINE)
    refused(problem, 401, "unauthorized")
    assert problem.headers["www-authenticate"] == "Bearer"


def test_who_has_no_token_is_refused_and_hung_up_on_before_anything_of_the_body_has_come(base_url: str) -> None:
    url = httpx.URL(base_url)
    head = "POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n"
    with socket.create_connection((url.host, url.port or 0), DEADLINE) as client:
        client.sendall(head.encode())
        answer = b"".join(iter(lambda: client.recv(10_000), b"")).decode()
    assert answer.startswith("HTTP/1.1 401")
    assert "unauthorized" in answer


def test_an_expired_token_and_one_of_another_key_are_refused(base_url: str) -> None:
    for key, issued in (("k" * 40, time.time() - 61), ("x" * 40, time.time())):
        tokens = AccessTokens.of([key], 60)
        headers = {"Authorization": f"Bearer {tokens.issue(APP, issued)}"}
        refused(httpx.get(f"{base_url}/api/v1/devices", headers=headers, timeout=DEADLINE), 401, "unauthorized")


def test_whoever_fetches_the_public_keys_can_check_a_token(base_url: str, app: httpx.Client) -> None:
    keys = KeySet.import_key_set(httpx.get(f"{base_url}/.well-known/jwks.json", timeout=DEADLINE).json())
    token = app.headers["Authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, keys, algorithms=["Ed25519"]).claims["sub"] == APP
    assert not any(key.is_private for key in keys)


def test_the_administrator_manages_apps_and_owns_nothing(app: httpx.Client, admin: httpx.Client) -> None:
    refused(app.get("/apps"), 403, "forbidden")
    refused(app.post("/apps", json={"name": "mine"}), 403, "forbidden")
    refused(admin.get("/devices"), 403, "forbidden")
    created = made(admin.post("/apps", json={"name": "new"}))
    assert "client_secret" not in made(admin.get(f"/apps/{created['app_id']}"))
    assert created["app_id"] in {a["app_id"] for a in made(admin.get("/apps"))["items"]}
    assert created["app_id"] in {a["app_id"] for a in made(admin.get("/apps", params={"name": "new"}))["items"]}
    assert made(admin.get("/apps", params={"name": "none of this name"}))["items"] == []
    assert admin.delete(f"/apps/{created['app_id']}").status_code == 204
    refused(admin.get(f"/apps/{created['app_id']}"), 404, "not_found")


def test_the_administrator_binds_endpoint_client_names_to_one_app_each(admin: httpx.Client) -> None:
    apps = [made(admin.post("/apps", json={"name": name})) for name in ("one", "other")]
    one, other = (f"/apps/{app['app_id']}/endpoint-prefixes" for app in apps)
    ours = f"urn:{apps[0]['app_id']}"
    assert made(admin.get(one)) == {"prefixes": []}
    for _ in range(2):
        assert made(admin.put(one, json={"prefixes": [ours, "", ours]})) == {"prefixes": ["", ours]}
    for prefixes in ([ours], ["x", ""]):
        refused(admin.put(other, json={"prefixes": prefixes}), 409, "prefix_taken")
    refused(admin.put(one, json={"prefixes": ["a\nb"]}), 422, "validation_failed")
    refused(admin.put("/apps/nobody/endpoint-prefixes", json={"prefixes": ["y"]}), 404, "not_found")
    assert made(admin.put(one, json={"prefixes": [""]})) == {"prefixes": [""]}
    assert made(admin.put(other, json={"prefixes": [ours]})) == {"prefixes": [ours]}
    assert admin.delete(f"/apps/{apps[0]['app_id']}").is_success
    assert made(admin.put(other, json={"prefixes": ["", ours]})) == {"prefixes": ["", ours]}  # nobody's any more
    assert admin.delete(f"/apps/{apps[1]['app_id']}").is_success


def test_an_app_that_owns_something_cannot_be_deleted(base_url: str, admin: httpx.Client) -> None:
    created = made(admin.post("/apps", json={"name": "owner"}))
    with client_of(base_url, created["client_id"], created["client_secret"]) as owner:
        group = made(owner.post("/groups", json={"name": "group"}))
        refused(admin.delete(f"/apps/{created['app_id']}"), 409, "app_not_empty")
        body = {"event": "execution_result", "callback_url": "http://127.0.0.1/"}
        made(owner.post("/subscriptions", json=body))
        assert owner.delete(f"/groups/{group['group_id']}").is_success
        refused(admin.delete(f"/apps/{created['app_id']}"), 409, "app_not_empty")
    refused(admin.delete(f"/apps/{APP}"), 409, "bootstrap_app")


def test_the_token_of_a_deleted_app_is_worth_nothing(base_url: str, admin: httpx.Client) -> None:
    created = made(admin.post("/apps", json={"name": "short-lived"}))
    with client_of(base_url, created["client_id"], created["client_secret"]) as gone:
        assert admin.delete(f"/apps/{created['app_id']}").status_code == 204
        refused(gone.get("/devices"), 401, "unauthorized")


def test_what_belongs_to_another_app_is_not_found(stranger: httpx.Client, new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    package, (device_id,) = fleet.package(), fleet.devices(1)
    paths = [
        f"/products/{fleet.product['product_id']}",
        f"/packages/{package['package_id']}",
        f"/packages/{package['package_id']}/file",
        f"/devices/{device_id}",
        f"/devices/{device_id}/commands",
        f"/devices/{device_id}/executions",
        f"/groups/{fleet.group_id}",
    ]
    command = made(fleet.app.post(f"/devices/{device_id}/commands", json={"operation": "read", "path": "/3/0/0"}))
    paths.append(f"/devices/{device_id}/commands/{command['command_id']}")
    for path in paths:
        assert fleet.app.get(path).status_code == 200, path
        refused(stranger.get(path), 404, "not_found")
        if stranger.delete(path).status_code != 405:
            refused(stranger.delete(path), 404, "not_found")
    refused(stranger.patch(f"/devices/{device_id}", json={"name": "mine"}), 404, "not_found")
    refused(stranger.post(f"/groups/{fleet.group_id}/devices", json={"device_ids": [device_id]}), 404, "not_found")
    assert _everything_listed(stranger) == []


def test_nothing_of_another_app_can_be_named_in_a_request(stranger: httpx.Client, new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    package, (device_id,) = fleet.package(), fleet.devices(1)
    own = Fleet(stranger, fleet._bus)
    device = {"endpoint": own.name, "product_id": fleet.product["product_id"]}
    refused(stranger.post("/devices", json=device), 422, "unknown_product")
    device = {"endpoint": own.name, "product_id": own.product["product_id"], "group_ids": [fleet.group_id]}
    refused(stranger.post("/devices", json=device), 422, "unknown_group")
    refused(own.task(package), 422, "unknown_package")
    refused(own.task(package, {"group_ids": [fleet.group_id]}), 422, "unknown_group")
    refused(own.task(package, {"device_ids": [device_id]}), 422, "unknown_devices")
    body = {"device_ids": [device_id]}
    refused(stranger.post(f"/groups/{own.group_id}/devices", json=body), 422, "unknown_devices")
    for path in (f"/products/{own.product['product_id']}", f"/groups/{own.group_id}"):
        assert stranger.delete(path).status_code == 204


def _everything_listed(client: httpx.Client) -> list[object]:
    lists = ("products", "packages", "devices", "groups", "tasks", "subscriptions", "public-keys")
    return [item for name in lists for item in made(client.get(f"/{name}"))["items"]]
