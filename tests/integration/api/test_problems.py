"""Whatever is wrong with a request, the answer is a problem document and the API goes on."""

import json
import socket

import httpx
import pytest
from tests.integration.api.api_client import made, refused
from tests.integration.api.service_process import NewProcess
from tests.integration.api.waiting import DEADLINE

from sluice_embedded.adapters.sockets import free_base

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", ["/nothing", "/devices/", "/devices/x/nothing", "/../../etc/passwd", "/%00", "/%ff"])
def test_unknown_paths_are_not_found(app: httpx.Client, path: str) -> None:
    refused(app.get(path), 404, "not_found")


@pytest.mark.parametrize("identifier", ["x", "%00", "%F0%9F%92%A9", "%ff", "6745c1f0a1b2c3d4e5f60718", "a" * 5000])
@pytest.mark.parametrize("kind", ["devices", "products", "packages", "groups", "tasks", "executions", "subscriptions"])
def test_unknown_ids_are_not_found(app: httpx.Client, kind: str, identifier: str) -> None:
    refused(app.get(f"/{kind}/{identifier}"), 404, "not_found")


def test_a_wrong_method_is_answered_with_those_that_are_allowed(app: httpx.Client) -> None:
    response = app.put("/devices", json={})
    refused(response, 405, "method_not_allowed")
    assert "GET" in response.headers["allow"]


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b'{"name": }', b"[" * 100_000, b'{"name":"\x00"', b"1" * 5000, b'{"name": "\xc3"}']
)
def test_malformed_json_is_a_bad_request(app: httpx.Client, body: bytes) -> None:
    refused(app.post("/groups", content=body, headers=JSON), 400, "malformed_json")


@pytest.mark.parametrize(
    "body",
    ["[]", "null", "1", '"text"', '{"name": 1}', '{"name": null}', '{"name": "\\ud800"}', '{"name": "a", "b": 1}'],
)
def test_json_of_another_shape_is_refused(app: httpx.Client, body: str) -> None:
    refused(app.post("/groups", content=body, headers=JSON), 422, "validation_failed")


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("/groups", '{"name": "a", "\\ud800": 1}', ""),
        ("/devices/x/commands", '{"operation": "write", "path": "/3/0/14", "value": 18446744073709551616}', "value"),
        ("/devices/x/commands", '{"operation": "write", "path": "/3/0/14", "value": "\\ud800"}', "value"),
        ("/tasks", '{"policy": {"start_at": "9999-12-31T23:59:59-12:00"}}', "policy.start_at"),
        ("/tasks", '{"policy": {"end_at": "0001-01-01T00:00:00+12:00"}}', "policy.end_at"),
    ],
)
def test_what_neither_database_nor_clock_can_hold_is_refused(
    app: httpx.Client, path: str, body: str, wrong: str
) -> None:
    problem = refused(app.post(path, content=body, headers=JSON), 422, "validation_failed")
    assert wrong in {error["field"] for error in problem["errors"]}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", "1e400", "1" + "0" * 400])
def test_numbers_out_of_range_are_refused(app: httpx.Client, number: str) -> None:
    body = f'{{"operation": "read", "path": "/3/0/0", "expires_in": {number}}}'
    refused(app.post("/devices/x/commands", content=body, headers=JSON), 422, "validation_failed")


def test_another_content_type_is_named(app: httpx.Client) -> None:
    response = app.post("/groups", content=b"<name/>", headers={"Content-Type": "application/xml"})
    refused(response, 415, "unsupported_media_type")


def test_a_body_over_the_limit_is_refused_whether_announced_or_not(app: httpx.Client) -> None:
    body = json.dumps({"name": "x" * 5_000_000}).encode()
    refused(app.post("/groups", content=body, headers=JSON), 413, "too_large")
    refused(app.post("/groups", content=iter([body]), headers=JSON), 413, "too_large")


@pytest.mark.parametrize("kind", ["devices", "products", "packages", "groups", "tasks", "subscriptions", "public-keys"])
def test_lists_refuse_wrong_and_unknown_parameters(app: httpx.Client, kind: str) -> None:
    refused(app.get(f"/{kind}", params={"limit": 0}), 422, "validation_failed")
    refused(app.get(f"/{kind}", params={"limit": 1001}), 422, "validation_failed")
    refused(app.get(f"/{kind}", params={"colour": "red"}), 422, "validation_failed")
    for cursor in ("", "x", "***", "w7" * 400, "/////w"):
        refused(app.get(f"/{kind}", params={"after": cursor}), 422, "invalid_cursor")


def test_the_description_of_the_api_and_its_page_are_public(base_url: str) -> None:
    description = made(httpx.get(f"{base_url}/api/v1/openapi.json", timeout=DEADLINE))
    assert description["openapi"].startswith("3.")
    assert httpx.get(f"{base_url}/api/v1/docs", timeout=DEADLINE).status_code == 200
    assert made(httpx.get(f"{base_url}/healthz", timeout=DEADLINE)) == {"status": "ok"}


@pytest.mark.parametrize("path", ["groups", "packages", "devices/bulk"])
def test_a_body_that_stops_coming_is_given_up(new_process: NewProcess, app: httpx.Client, path: str) -> None:
    port = free_base()
    process = new_process("http", api_port=port, body_idle_timeout=0.5)
    head = f"POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {app.headers['authorization']}\r\n"
    kind = {"groups": "application/json", "packages": "multipart/form-data; boundary=x"}.get(path, "text/csv")
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        client.sendall(f"{head}Content-Type: {kind}\r\nContent-Length: 100\r\n\r\n--x".encode())
        answer = b"".join(iter(lambda: client.recv(10_000), b"")).decode()
    assert answer.startswith("HTTP/1.1 408")
    assert "request_timeout" in answer
    assert process.stop() == 0


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 1000])
def test_bytes_that_are_no_http_leave_the_api_serving(base_url: str, sent: bytes) -> None:
    url = httpx.URL(base_url)
    with socket.create_connection((url.host, url.port or 0), DEADLINE) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert b"Traceback" not in client.recv(10_000)
    assert httpx.get(f"{base_url}/healthz", timeout=DEADLINE).status_code == 200
