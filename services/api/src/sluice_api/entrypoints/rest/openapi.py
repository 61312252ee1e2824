"""How the OpenAPI description tells of errors."""

import json
from http import HTTPStatus
from typing import Any

from sluice_api.entrypoints.rest.problems import MEDIA_TYPE
from sluice_api.entrypoints.rest.schemas.base import ProblemDocument


def responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the errors of an operation, beside those that all have."""
    return {int(status): {"model": ProblemDocument} | _response(status) for status in statuses}


def _response(status: HTTPStatus) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {"description": status.phrase, "content": content}


def describe(description: dict[str, Any]) -> None:
    """Complete the errors of an OpenAPI description by what follows from the rest of an operation.

    Whoever needs a token may not be entitled, and whatever takes a body can refuse it. An error has the one media type
    of a problem document; FastAPI gives it that of the answer too.
    """
    for path in description["paths"].values():
        for operation in path.values():
            operation["responses"] |= _implied(operation)
            for status, response in operation["responses"].items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    response["content"].pop("application/json", None)
    _drop_inline_enumerations(description)


def _drop_inline_enumerations(description: dict[str, Any]) -> None:
    """Drop the components of enumerations that stand inline: FastAPI makes one of each."""
    schemas, text = description["components"]["schemas"], json.dumps(description)
    for name in [name for name, schema in schemas.items() if "enum" in schema]:
        if f'"#/components/schemas/{name}"' not in text:
            del schemas[name]


def _implied(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the errors that follow from an operation's security and body."""
    content = operation.get("requestBody", {}).get("content", {})
    statuses = (
        *((HTTPStatus.FORBIDDEN,) if operation.get("security") else ()),
        *((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE) if content else ()),
        *((HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE) if "application/json" in content else ()),
    )
    return {str(int(status)): _response(status) for status in statuses}
