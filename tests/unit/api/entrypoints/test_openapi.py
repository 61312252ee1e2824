"""The description of the API is complete: every operation with its answers, its errors and an example."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from sluice_api.entrypoints.rest.application import create_http
from sluice_api.settings import ApiSettings
from sluice_common import __version__

APP: FastAPI = create_http(ApiSettings())
DESCRIPTION: dict[str, Any] = APP.openapi()
OPERATIONS = [
    (method, path, operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
    if path not in {"/healthz", "/.well-known/jwks.json"}  # those say the same to everybody, or that they cannot
]
NAMES = [f"{method} {path}" for method, path, _ in OPERATIONS]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_an_operation_is_described_with_its_errors(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["description"]
    assert operation["tags"]
    responses = operation["responses"]
    assert {"401", "422", "503"} <= set(responses)
    assert ("403" in responses) == bool(operation.get("security"))
    if "{" in path:
        assert "404" in responses
    if method == "delete" and path.split("/")[3] not in {"subscriptions", "groups"}:
        assert "409" in responses
    if "Idempotency-Key" in {p["name"] for p in operation.get("parameters", ())}:
        assert "409" in responses
    for status, response in responses.items():
        if int(status) >= 400:
            problem = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
            assert response["content"] == {"application/problem+json": problem}


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_what_takes_a_body_says_how_it_refuses_one(method: str, path: str, operation: dict[str, Any]) -> None:
    content = operation.get("requestBody", {}).get("content", {})
    wanted = {"408", "413"} if content else set()
    if "application/json" in content:
        wanted |= {"400", "415"}
    assert wanted <= set(operation["responses"]), (method, path)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_all_but_the_token_and_the_offline_tool_need_a_token(method: str, path: str, operation: dict[str, Any]) -> None:
    for_everybody = ("/oauth2/token", "/signtool.zip", "/signtool.zip.sha256")
    assert bool(operation.get("security")) == (not path.endswith(for_everybody)), method


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_what_creates_takes_an_idempotency_key(method: str, path: str, operation: dict[str, Any]) -> None:
    repeatable = path.endswith(("/stop", "/cancel", "/revoke", "/redeliver", "/test"))
    creates = method == "post" and ({"201", "202"} & set(operation["responses"])) and not repeatable
    names = {p["name"] for p in operation.get("parameters", ())}
    assert ("Idempotency-Key" in names) == (bool(creates) or path.endswith("/bulk")), path


def examples(content: dict[str, Any]) -> Iterator[object]:
    """Yield the example of every shape that a body may have, None where there is none."""
    for body in (body for kind, body in content.items() if kind != "application/zip"):
        schema = body["schema"]
        for shape in schema.get("anyOf", [schema]):
            named = shape.get("$ref", "").rpartition("/")[2]
            if shape.get("type") != "null":
                yield body.get("example") or DESCRIPTION["components"]["schemas"].get(named, shape).get("example")


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_bodies_and_answers_have_examples(method: str, path: str, operation: dict[str, Any]) -> None:
    assert all(examples(operation.get("requestBody", {}).get("content", {}))), (method, path)
    for status, response in operation["responses"].items():
        if int(status) < 400:
            assert all(examples(response.get("content", {}))), (method, path, status)


def test_lists_are_paged() -> None:
    lists = [o for m, p, o in OPERATIONS if m == "get" and o["summary"].startswith("List")]
    assert len(lists) >= 9
    for operation in lists:
        assert {"limit", "after"} <= {p["name"] for p in operation["parameters"]}


def test_the_description_names_the_version_of_sluice() -> None:
    assert DESCRIPTION["info"]["version"] == __version__
