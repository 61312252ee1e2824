"""Credentials of an app: each does what its scopes allow, until it is revoked."""

import httpx
import pytest
from tests.integration.api.api_client import APP, Json, client_of, made, refused
from tests.integration.api.service_process import Documents
from tests.integration.api.waiting import eventually

from sluice_common.ids import new_id


def credential(app: httpx.Client, *scopes: str) -> Json:
    """Make a credential."""
    return made(app.post("/credentials", json={"name": "a machine", "scopes": scopes}))


def product() -> Json:
    """Return a product of a new model."""
    return {"manufacturer": "ACME", "model": new_id(), "device_type": "Meter", "protocol": "LWM2M"}


def test_a_credential_does_what_its_scopes_allow_for_its_app_and_nothing_else(app: httpx.Client, base_url: str) -> None:
    mine = made(app.post("/products", json=product()))
    viewer = credential(app, "read")
    with client_of(base_url, viewer["client_id"], viewer["client_secret"]) as client:
        assert made(client.get(f"/products/{mine['product_id']}")) == mine
        problem = refused(client.post("/products", json=product()), 403, "insufficient_scope")
        assert "operate" in problem["detail"]
        refused(client.get("/credentials"), 403, "insufficient_scope")
        refused(client.delete(f"/products/{mine['product_id']}"), 403, "insufficient_scope")
    operator = credential(app, "operate")
    with client_of(base_url, operator["client_id"], operator["client_secret"]) as client:
        made(client.post("/products", json=product()))
        refused(client.get("/products"), 403, "insufficient_scope")
        refused(client.post("/public-keys", json={}), 403, "insufficient_scope")


def test_a_secret_is_shown_once_and_a_credential_tells_who_made_it(app: httpx.Client) -> None:
    created = credential(app, "publish", "read")
    shown = app.get(f"/credentials/{created['client_id']}")
    assert created["client_secret"] not in shown.text
    assert made(shown) == {name: value for name, value in created.items() if name != "client_secret"}
    assert (created["scopes"], created["created_by"]) == (["publish", "read"], APP)
    assert made(shown) in made(app.get("/credentials", params={"name": "a machine", "limit": 1000}))["items"]


def test_a_revoked_credential_is_refused_within_a_second_with_its_tokens(app: httpx.Client, base_url: str) -> None:
    created = credential(app, "read")
    with client_of(base_url, created["client_id"], created["client_secret"]) as client:
        made(client.get("/products"))
        assert app.delete(f"/credentials/{created['client_id']}").status_code == 204
        eventually(lambda: client.get("/products").status_code == 401, seconds=2)
    form = {"grant_type": "client_credentials", **{k: created[k] for k in ("client_id", "client_secret")}}
    refused(httpx.post(f"{base_url}/api/v1/oauth2/token", data=form), 401, "invalid_client")


def test_an_owner_cannot_be_locked_out_of_its_app(app: httpx.Client) -> None:
    refused(app.delete(f"/credentials/{APP}"), 409, "first_credential")


def test_credentials_of_another_app_are_not_found(app: httpx.Client, stranger: httpx.Client) -> None:
    created = credential(app, "read")
    refused(stranger.get(f"/credentials/{created['client_id']}"), 404, "not_found")
    refused(stranger.delete(f"/credentials/{created['client_id']}"), 404, "not_found")
    assert created["client_id"] not in stranger.get("/credentials").text


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", ""], "read", None])
def test_a_credential_needs_scopes_that_there_are(app: httpx.Client, scopes: object) -> None:
    refused(app.post("/credentials", json={"name": "x", "scopes": scopes}), 422, "validation_failed")


def test_the_administrator_gives_an_app_another_first_secret(admin: httpx.Client, base_url: str) -> None:
    created = made(admin.post("/apps", json={"name": new_id()}))
    with client_of(base_url, created["client_id"], created["client_secret"]) as before:
        made(before.get("/products"))
        renewed = made(admin.post(f"/apps/{created['app_id']}/secret"))
        eventually(lambda: before.get("/products").status_code == 401, seconds=2)
    form = {"grant_type": "client_credentials", **{k: created[k] for k in ("client_id", "client_secret")}}
    refused(httpx.post(f"{base_url}/api/v1/oauth2/token", data=form), 401, "invalid_client")
    with client_of(base_url, renewed["client_id"], renewed["client_secret"]) as client:
        made(client.get("/products"))
        other = credential(client, "read")
    assert admin.delete(f"/apps/{created['app_id']}").status_code == 204
    form = {"grant_type": "client_credentials", **{k: other[k] for k in ("client_id", "client_secret")}}
    refused(httpx.post(f"{base_url}/api/v1/oauth2/token", data=form), 401, "invalid_client")
    refused(admin.post(f"/apps/{APP}/secret"), 409, "bootstrap_app")
    refused(admin.post(f"/apps/{new_id()}/secret"), 404, "not_found")


def test_a_credential_does_not_outlive_its_app(admin: httpx.Client, base_url: str, database: Documents) -> None:
    created = made(admin.post("/apps", json={"name": new_id()}))
    with client_of(base_url, created["client_id"], created["client_secret"]) as client:
        other = credential(client, "own")
    stored = database["credentials"].find_one({"_id": other["client_id"]})
    assert stored
    assert admin.delete(f"/apps/{created['app_id']}").status_code == 204
    database["credentials"].insert_one(stored)  # as one that was being made meanwhile
    form = {"grant_type": "client_credentials", **{k: other[k] for k in ("client_id", "client_secret")}}
    refused(httpx.post(f"{base_url}/api/v1/oauth2/token", data=form), 401, "invalid_client")


def test_an_app_has_no_more_credentials_than_it_may(admin: httpx.Client, base_url: str) -> None:
    created = made(admin.post("/apps", json={"name": new_id()}))
    with client_of(base_url, created["client_id"], created["client_secret"]) as client:
        for _ in range(100):
            credential(client, "read")
        refused(client.post("/credentials", json={"name": "x", "scopes": ["read"]}), 409, "too_many_credentials")
