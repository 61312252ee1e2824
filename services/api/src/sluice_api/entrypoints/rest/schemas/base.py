"""What all request and response bodies have in common."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar, get_args

import msgspec
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from sluice_api.domain.models import Record

Value = TypeVar("Value", bound=msgspec.Struct)
LIMIT_DEFAULT = 100
LIMIT_MAX = 1000

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A name for people: no control characters."""
Identifier = Annotated[str, Field(min_length=1, max_length=64)]
"""An id of the platform."""
Version = Annotated[str, Field(max_length=64, pattern=r"^[!-~]([ -~]*[!-~])?$")]
"""A firmware version: printable ASCII (R027: no Chinese characters)."""
Network = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x20\x7f/]+$")]
"""The name of a radio network, as part of a key."""
Tag = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f;]+$")]


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside of the years 1 to 9999 in UTC") from error


Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time, in UTC from here on."""
_MAX_ID = 65_534
"""65535 is MAX_ID, which names nothing (OMA TS 1.1.1 §7.3)."""


def _ids_exist(path: str) -> str:
    if any(int(number) > _MAX_ID for number in path[1:].split("/")):
        raise ValueError(f"ids go up to {_MAX_ID}")
    return path


_ID = "/(0|[1-9][0-9]{0,4})"
Path = Annotated[str, Field(pattern=f"^({_ID}){{1,3}}$"), AfterValidator(_ids_exist)]
"""An LwM2M path down to a resource, as gateways take it."""
ResourcePath = Annotated[str, Field(pattern=f"^({_ID}){{3}}$"), AfterValidator(_ids_exist)]
"""The path of a resource."""


class Body(BaseModel):
    """A request body; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    def as_record(self, kind: type[Value]) -> Value:
        """Return the body, or a part of one, as a record of the domain with the same fields."""
        return msgspec.convert(self, kind, from_attributes=True)


class Query(BaseModel):
    """Query parameters of a list; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(LIMIT_DEFAULT, ge=1, le=LIMIT_MAX, description="Most items of the page.")
    after: str | None = Field(None, description="`next` of the page before.")


class Item(BaseModel):
    """A response body."""

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return what users see of a record: of its fields those that the body has too."""
        return cls.model_validate(record, from_attributes=True)


def _with_item(schema: dict[str, Any], page: type[BaseModel]) -> None:
    """Make a page's example of that of its items."""
    items = page.model_fields.get("items")
    for item in get_args(items.annotation) if items else ():
        schema["example"] = {"items": [item.model_config["json_schema_extra"]["example"]], "next": None}


class Page(Item):
    """Part of a list; each list adds its `items`."""

    model_config = ConfigDict(json_schema_extra=_with_item)

    next: str | None = Field(description="Cursor of the next page; null at the end.")


class Created(Item):
    """What everything that is created has."""

    created_at: datetime


class FieldError(BaseModel):
    """One wrong field of a request."""

    field: str = Field(examples=["policy.max_retries"])
    message: str = Field(examples=["Input should be less than or equal to 5"])


class ProblemDocument(BaseModel):
    """A refusal (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:sluice:problem:not_found",
                "title": "Not Found",
                "status": 404,
                "detail": "There is no device '6745c1f0a1b2c3d4e5f60718'.",
                "code": "not_found",
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable, for programs.")
    errors: list[FieldError] | None = None
    devices: list[dict[str, Any]] | None = Field(None, description="Devices that stand in the way, at most 100.")
    tasks: list[dict[str, Any]] | None = Field(None, description="Tasks that stand in the way, at most 100.")


def example(**values: Any) -> ConfigDict:
    """Return the model configuration that shows an example in the OpenAPI description."""
    return ConfigDict(json_schema_extra={"example": values})
