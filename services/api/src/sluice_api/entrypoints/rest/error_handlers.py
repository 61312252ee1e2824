"""Every error as a problem document (RFC 9457); never a traceback."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match

from sluice_api.domain.errors import DomainError, FieldError
from sluice_api.entrypoints.rest.problems import Problem
from sluice_common.sealing import NoSealingKeyError, SealingError

_log = structlog.get_logger()
_ERRORS_SHOWN = 100
_CODES = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.BAD_REQUEST: "bad_request",
}
_JSON = "json_invalid"
_METHODS = ("GET", "POST", "PATCH", "DELETE")


def install(app: FastAPI, database_error: type[Exception]) -> None:
    """Make an application answer every error with a problem document.

    Args:
        app: The application.
        database_error: What is raised when the database cannot be reached.
    """
    app.add_exception_handler(DomainError, _of_domain)
    app.add_exception_handler(Problem, _of_problem)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(database_error, _of_database)
    app.add_exception_handler(SealingError, _of_sealing)
    app.add_exception_handler(ClientDisconnect, _of_disconnect)
    app.add_exception_handler(Exception, _of_anything)


async def _of_domain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)  # noqa: S101 - FastAPI's handlers are typed by Exception
    return Problem.of(error).response()


async def _of_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - as above
    return error.response()


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    errors = error.errors()
    if errors[0]["loc"] == ("body",) and not _is_json(request) and await request.body():
        detail = "Send Content-Type: application/json."
        return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail).response()
    if any(e["type"] == _JSON for e in errors):
        return _malformed_json().response()
    named = [FieldError(_where(e["loc"]), str(e["msg"])) for e in errors[:_ERRORS_SHOWN]]
    detail = "; ".join(f"{e.field}: {e.message}" if e.field else e.message for e in named[:3])
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "validation_failed", detail, named).response()


def _malformed_json() -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "malformed_json", "The body is not valid JSON.")


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _where(location: tuple[str | int, ...]) -> str:
    """Return a field's name without the part of the request it stands in."""
    return ".".join(str(part) for part in location[1:])


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.BAD_REQUEST and _is_json(request):
        # What the parser gives up on: no UTF-8, too deep, numbers of too many digits.
        return _malformed_json().response()
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    code = _CODES.get(status, status.name.lower())
    return Problem(status, code, str(error.detail), headers=headers).response()


def _methods(request: Request) -> list[str]:
    """Return the methods that a path has (RFC 9110 §10.2.1); the router knows only the first route's."""
    routes: list[BaseRoute] = request.app.routes
    return [m for m in _METHODS if any(r.matches({**request.scope, "method": m})[0] is Match.FULL for r in routes)]


async def _of_database(_: Request, error: Exception) -> JSONResponse:
    _log.error("database_failed", error=type(error).__name__, detail=str(error)[:500])
    detail = "The database cannot be reached; try again."
    retry = {"Retry-After": "1"}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "database_unavailable", detail, headers=retry).response()


async def _of_sealing(_: Request, error: Exception) -> JSONResponse:
    _log.error("sealing_failed", detail=str(error))
    code = "no_sealing_key" if isinstance(error, NoSealingKeyError) else "secret_unreadable"
    detail = f"The platform cannot keep or read a secret: {error}."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, code, detail).response()


async def _of_disconnect(_: Request, __: Exception) -> JSONResponse:
    # Nobody reads this.
    return Problem(HTTPStatus.BAD_REQUEST, "disconnected", "The client went away.").response()


async def _of_anything(request: Request, error: Exception) -> JSONResponse:
    _log.error("request_failed", path=request.url.path, exc_info=error)
    detail = "The request failed for a reason of ours; it has been logged."
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail).response()
