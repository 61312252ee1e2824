"""The API as its users see it: who calls, and what it answers."""

from typing import Any

import httpx
from tests.integration.api.waiting import DEADLINE

APP, SECRET, ADMIN_PASSWORD = "first-app", "first-secret", "admin-password"
Json = dict[str, Any]


def token(base_url: str, client_id: str, secret: str) -> str:
    """Return an access token."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    response = httpx.post(f"{base_url}/api/v1/oauth2/token", data=form, timeout=DEADLINE)
    assert response.status_code == httpx.codes.OK, response.text
    return str(response.json()["access_token"])


def client_of(base_url: str, client_id: str, secret: str) -> httpx.Client:
    """Return a client that is logged in."""
    headers = {"Authorization": f"Bearer {token(base_url, client_id, secret)}"}
    return httpx.Client(base_url=f"{base_url}/api/v1", headers=headers, timeout=2 * DEADLINE)


def made(response: httpx.Response) -> Json:
    """Return the body of a response that says success."""
    assert response.is_success, response.text
    body: Json = response.json()
    return body


def refused(response: httpx.Response, status: int, code: str) -> Json:
    """Return the problem of a response that says refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: Json = response.json()
    assert problem["code"] == code, problem
    assert problem["status"] == status
    assert "Traceback" not in response.text
    return problem
