"""Who calls is known before a body is read: whoever may not call costs the look at one header."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI

from sluice_api.domain.access import ALL_SCOPES, Scope
from sluice_api.domain.access_tokens import ADMIN, AccessToken, InvalidAccessTokenError
from sluice_api.domain.models import Principal
from sluice_api.entrypoints.rest.application import create_http
from sluice_api.settings import ApiSettings
from sluice_common.messages.base import now

APP, GONE, CHANGED = "app", "gone", "changed"


class Tokens:
    """A token is the name of its owner, or of the scope that its owner has not."""

    def verified(self, token: str, _: float) -> AccessToken:
        if token not in {APP, GONE, CHANGED, ADMIN, *Scope}:
            raise InvalidAccessTokenError
        return AccessToken(token, 1000.0)


class Credentials:
    """One app exists."""

    async def principal(self, client_id: str) -> Principal | None:
        if client_id == GONE:
            return None
        since = 1000.001 if client_id == CHANGED else 1000.0
        return Principal(client_id=client_id, app_id=APP, scopes=ALL_SCOPES - {client_id}, since=since)


def application() -> FastAPI:
    made = create_http(ApiSettings())
    made.state.services = SimpleNamespace(tokens=Tokens(), credentials=Credentials(), now=now)
    return made


API = application()
OPERATIONS = [
    (method.upper(), path)
    for path, methods in API.openapi()["paths"].items()
    for method, operation in methods.items()
    if operation.get("security")
]
OF_ADMIN = [(method, path) for method, path in OPERATIONS if path.startswith("/api/v1/apps")]
OF_APPS = [operation for operation in OPERATIONS if operation not in OF_ADMIN]


async def asked(method: str, path: str, authorization: str | None) -> tuple[int, dict[bytes, bytes]]:
    """Return status and headers of the answer to a request whose body nobody may read."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"4000000")]
    if authorization is not None:
        headers.append((b"authorization", authorization.encode()))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }
    await API(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


def test_most_operations_need_a_token_and_some_the_administrators() -> None:
    assert len(OF_APPS) > 40
    assert len(OF_ADMIN) > 2


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", f"Basic {APP}", f"Bearer {GONE}", f"Bearer {CHANGED}"]
)
async def test_without_a_token_that_counts_a_request_is_refused_before_its_body_is_read(
    method: str, path: str, authorization: str | None
) -> None:
    status, headers = await asked(method, path, authorization)
    assert (status, headers[b"www-authenticate"]) == (401, b"Bearer")
    assert headers[b"connection"] == b"close", "nobody reads the rest"


@pytest.mark.parametrize(("method", "path"), OF_APPS)
async def test_the_administrator_is_refused_what_is_an_apps_before_the_body_is_read(method: str, path: str) -> None:
    assert (await asked(method, path, f"Bearer {ADMIN}"))[0] == 403


@pytest.mark.parametrize(("method", "path"), OF_ADMIN)
async def test_an_app_is_refused_what_is_the_administrators_before_the_body_is_read(method: str, path: str) -> None:
    assert (await asked(method, path, f"Bearer {APP}"))[0] == 403


def scope_of(method: str, path: str) -> Scope:
    """Return the scope that an operation of apps needs, by its method and the first part of its path."""
    part = path.split("/")[3]
    if part == "credentials":
        return Scope.OWN
    if method == "GET":
        return Scope.READ
    return {"packages": Scope.PUBLISH, "public-keys": Scope.KEYS}.get(part, Scope.OPERATE)


@pytest.mark.parametrize(("method", "path"), OF_APPS)
async def test_a_credential_without_the_one_scope_of_an_operation_is_refused_before_the_body_is_read(
    method: str, path: str
) -> None:
    scope = scope_of(method, path)
    status, headers = await asked(method, path, f"Bearer {scope}")
    assert status == 403
    assert headers[b"www-authenticate"] == f'Bearer error="insufficient_scope", scope="{scope}"'.encode()
