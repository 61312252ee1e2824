"""Enumerations of the domain in bodies: described where they stand, by their values."""

from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sluice_api.domain import access, models
from sluice_common.messages import execution_events
from sluice_common.open_enum import OpenStrEnum

Open = TypeVar("Open", bound=OpenStrEnum)


class _Inline:
    """Reads and describes an enumeration as the literals that its values are: without a component of its own."""

    def __get_pydantic_core_schema__(self, kind: type[StrEnum], handler: GetCoreSchemaHandler) -> CoreSchema:
        values = core_schema.literal_schema([member.value for member in kind])
        return core_schema.no_info_before_validator_function(
            _value,
            core_schema.no_info_after_validator_function(kind, values),
            serialization=core_schema.plain_serializer_function_ser_schema(_value, return_schema=values),
        )


def _value(member: Any) -> Any:
    return member.value if isinstance(member, StrEnum) else member


def _known(member: Open) -> Open:
    """Return what a user asks for; answers may have members of a newer version, questions may not."""
    if not member.is_known:
        raise ValueError(f"one of {', '.join(type(member))}")
    return member


Protocol = Annotated[models.Protocol, _Inline()]
PackageStatus = Annotated[models.PackageStatus, _Inline()]
TaskStatus = Annotated[models.TaskStatus, _Inline()]
TaskResult = Annotated[models.TaskResult, _Inline()]
Operation = Annotated[models.Operation, _Inline()]
Scope = Annotated[access.Scope, _Inline()]
DeliveryStatus = Annotated[models.DeliveryStatus, _Inline()]
CallbackEvent = Annotated[models.CallbackEvent, _Inline()]
KnownExecutionStatus = Annotated[execution_events.ExecutionStatus, AfterValidator(_known)]
KnownDeviceCommandStatus = Annotated[execution_events.DeviceCommandStatus, AfterValidator(_known)]
