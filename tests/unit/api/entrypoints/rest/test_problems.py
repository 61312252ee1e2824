"""How errors of the domain travel."""

import json
from typing import Any

import pytest

from sluice_api.domain.errors import (
    ConflictError,
    DomainError,
    FieldError,
    InProgressError,
    InvalidError,
    NamedDevice,
    NamedTask,
    NotFoundError,
    UnavailableError,
)
from sluice_api.entrypoints.rest.problems import Problem, too_large


def document(problem: Problem) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(problem.response().body))
    return body


KINDS: list[tuple[DomainError, int, str, str | None]] = [
    (NotFoundError("device", "d"), 404, "Not Found", None),
    (ConflictError("duplicate", "It is there."), 409, "Conflict", None),
    (InProgressError("in_use", "Wait."), 409, "Conflict", "1"),
    (InvalidError("name", "too long"), 422, "Unprocessable Entity", None),
    (UnavailableError("not_yet", "Wait."), 503, "Service Unavailable", "5"),
]


@pytest.mark.parametrize(("error", "status", "title", "retry_after"), KINDS)
def test_each_kind_of_error_has_its_status_and_headers(
    error: DomainError, status: int, title: str, retry_after: str | None
) -> None:
    response = Problem.of(error).response()
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.headers.get("retry-after") == retry_after
    shown = document(Problem.of(error))
    assert (shown["status"], shown["title"]) == (status, title)


def test_every_kind_of_error_has_a_status() -> None:
    assert set(DomainError.__subclasses__()) == {type(error) for error, *_ in KINDS}


def test_a_problem_without_further_members_has_those_of_the_rfc_and_a_code() -> None:
    assert document(Problem.of(NotFoundError("device", "x" * 100))) == {
        "type": "urn:sluice:problem:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": f"There is no device '{'x' * 64}'.",
        "code": "not_found",
    }


def test_a_problem_names_wrong_fields_devices_and_tasks() -> None:
    invalid = InvalidError("a", "is wrong", others=[FieldError("b", "too")], devices=[NamedDevice("d")])
    assert document(Problem.of(invalid))["errors"] == [
        {"field": "a", "message": "is wrong"},
        {"field": "b", "message": "too"},
    ]
    assert document(Problem.of(invalid))["devices"] == [{"device_id": "d"}]
    conflict = ConflictError(
        "busy",
        "They are.",
        devices=[NamedDevice("d", "pending_command", command_id="c")],
        tasks=[NamedTask("t", "name", "RUNNING")],
    )
    assert document(Problem.of(conflict))["devices"] == [
        {"device_id": "d", "because": "pending_command", "command_id": "c"}
    ]
    assert document(Problem.of(conflict))["tasks"] == [{"task_id": "t", "name": "name", "status": "RUNNING"}]


def test_an_error_names_at_most_100_devices() -> None:
    devices = [NamedDevice(str(n)) for n in range(101)]
    assert len(document(Problem.of(ConflictError("busy", "They are.", devices=devices)))["devices"]) == 100


def test_after_a_body_that_is_not_read_the_connection_ends() -> None:
    assert too_large(10).response().headers["connection"] == "close"
