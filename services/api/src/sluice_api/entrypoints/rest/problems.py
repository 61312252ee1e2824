"""Problem documents (RFC 9457): every refusal with its HTTP status and headers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

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

MEDIA_TYPE = "application/problem+json"
_HANG_UP: Mapping[str, str] = {"Connection": "close"}
"""The rest of the body is not read, so that no further request can follow it."""
_STATUS: Mapping[type[DomainError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    InProgressError: HTTPStatus.CONFLICT,
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_RETRY_AFTER: Mapping[type[DomainError], str] = {InProgressError: "1", UnavailableError: "5"}
"""Seconds after which the same request may succeed."""


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A refusal as it travels.

    Attributes:
        status: HTTP status.
        code: Stable code for programs.
        detail: What is wrong and what to do, for people.
        errors: Fields that are wrong.
        devices: Devices that stand in the way.
        tasks: Tasks that do.
        oauth_error: Code of an OAuth2 error (RFC 6749 §5.2).
        headers: Further response headers.
    """

    status: HTTPStatus
    code: str
    detail: str
    errors: Sequence[FieldError] = ()
    devices: Sequence[NamedDevice] = ()
    tasks: Sequence[NamedTask] = ()
    oauth_error: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: DomainError) -> "Problem":
        """Return the problem that an error of the domain is."""
        kind = type(error)
        return cls(
            _STATUS[kind],
            error.code,
            error.detail,
            error.errors if isinstance(error, InvalidError) else (),
            error.devices,
            error.tasks,
            headers={"Retry-After": _RETRY_AFTER[kind]} if kind in _RETRY_AFTER else {},
        )

    def body(self) -> dict[str, Any]:
        """Return the members of the problem document (RFC 9457 §3.1)."""
        members: dict[str, Any] = {
            "type": f"urn:sluice:problem:{self.code}",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
            "errors": [asdict(error) for error in self.errors],
            "devices": [_given(asdict(device)) for device in self.devices],
            "tasks": [asdict(task) for task in self.tasks],
            "error": self.oauth_error,
        }
        return _given(members)

    def response(self) -> JSONResponse:
        """Return the response."""
        return JSONResponse(self.body(), self.status, headers=dict(self.headers), media_type=MEDIA_TYPE)


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that say something."""
    return {name: value for name, value in members.items() if value not in (None, [])}


def hung_up(problem: Problem) -> Problem:
    """Return a refusal after which the rest of the body is not read."""
    return replace(problem, headers={**problem.headers, **_HANG_UP})


def too_large(limit: int) -> Problem:
    """Return 413: the body is larger than `limit` bytes."""
    detail = f"The body exceeds {limit} bytes."
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail, headers=_HANG_UP)


def too_slow(seconds: float) -> Problem:
    """Return 408: the body has stopped coming for so many seconds."""
    detail = f"Nothing more of the body came for {seconds:g} s."
    return Problem(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", detail, headers=_HANG_UP)
