"""The description of the API is complete: every operation with its answers, its errors and an example."""

from typing import Any

import pytest
from fastapi import FastAPI

from sluice_api.entrypoints.application import create_http
from sluice_api.settings import ApiSettings

APP: FastAPI = create_http(ApiSettings())
DESCRIPTION: dict[str, Any] = APP.openapi()
OPERATIONS = [
    (method, path, operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
    if path != "/healthz"
]
NAMES = [f"{method} {path}" for method, path, _ in OPERATIONS]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_an_operation_is_described_with_its_errors(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["description"]
    assert operation["tags"]
    responses = operation["responses"]
    assert {"401", "422", "503"} <= set(responses)
    if "{" in path:
        assert "404" in responses
    if method == "delete" and path.split("/")[3] not in {"subscriptions", "groups"}:
        assert "409" in responses
    for status, response in responses.items():
        if int(status) >= 400:
            reference = response["content"]["application/problem+json"]["schema"]["$ref"]
            assert reference == "#/components/schemas/ProblemDocument"


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_all_but_the_token_and_the_offline_tool_need_a_token(method: str, path: str, operation: dict[str, Any]) -> None:
    assert bool(operation.get("security")) == (not path.endswith(("/oauth2/token", "/signtool.zip"))), method


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_what_creates_takes_an_idempotency_key(method: str, path: str, operation: dict[str, Any]) -> None:
    repeatable = path.endswith(("/stop", "/cancel", "/revoke"))
    creates = method == "post" and ({"201", "202"} & set(operation["responses"])) and not repeatable
    names = {p["name"] for p in operation.get("parameters", ())}
    assert ("Idempotency-Key" in names) == bool(creates), path


def test_request_bodies_have_examples() -> None:
    schemas = DESCRIPTION["components"]["schemas"]
    for method, path, operation in OPERATIONS:
        content = operation.get("requestBody", {}).get("content", {})
        if reference := content.get("application/json", {}).get("schema", {}).get("$ref"):
            assert "example" in schemas[reference.rsplit("/", 1)[1]], (method, path)


def test_lists_are_paged() -> None:
    lists = [o for m, p, o in OPERATIONS if m == "get" and o["summary"].startswith("List")]
    assert len(lists) >= 9
    for operation in lists:
        assert {"limit", "after"} <= {p["name"] for p in operation["parameters"]}
