"""Refusals that users see: problem details of RFC 9457, each with a stable code.

Leaves out how they travel; `entrypoints.problems` writes them into responses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

_HANG_UP = {"Connection": "close"}
"""The rest of the body is not read, so that no further request can follow it."""
DEVICES_NAMED = 100
"""Most devices that one problem names."""
TASKS_NAMED = 100
"""Most tasks that one problem names."""


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A refusal.

    Attributes:
        status: HTTP status.
        code: Stable code for programs.
        detail: What is wrong and what to do, for people.
        errors: Fields that are wrong: `field` and `message`.
        devices: Devices that stand in the way, at most `DEVICES_NAMED`.
        headers: Further response headers.
        extra: Further members.
    """

    status: HTTPStatus
    code: str
    detail: str
    errors: Sequence[dict[str, str]] = ()
    devices: Sequence[dict[str, Any]] = ()
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the members of the problem document (RFC 9457 §3.1)."""
        members: dict[str, Any] = {
            "type": f"urn:sluice:problem:{self.code}",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            members["errors"] = list(self.errors)
        if self.devices:
            members["devices"] = list(self.devices)
        return members | self.extra


def not_found(what: str, identifier: str) -> Problem:
    """Return 404: nothing of that id belongs to the caller."""
    return Problem(HTTPStatus.NOT_FOUND, "not_found", f"There is no {what} {identifier[:64]!r}.")


def conflict(code: str, detail: str, devices: Sequence[dict[str, Any]] = ()) -> Problem:
    """Return 409: not possible in the present state."""
    return Problem(HTTPStatus.CONFLICT, code, detail, devices=devices[:DEVICES_NAMED])


def invalid(field_name: str, message: str, code: str = "validation_failed") -> Problem:
    """Return 422: one field of the request is wrong."""
    errors = [{"field": field_name, "message": message}]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, code, f"{field_name}: {message}", errors)


def too_large(limit: int) -> Problem:
    """Return 413: the body is larger than `limit` bytes."""
    detail = f"The body exceeds {limit} bytes."
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail, headers=dict(_HANG_UP))


def too_slow(patience: float) -> Problem:
    """Return 408: the body has stopped coming for `patience` seconds."""
    detail = f"Nothing more of the body came for {patience:g} s."
    return Problem(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", detail, headers=dict(_HANG_UP))
