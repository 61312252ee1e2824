"""Device commands (R111, D08)."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from sluice_api.domain import models
from sluice_api.entrypoints.rest.schemas.base import Body, Created, Page, Path, Query, example
from sluice_api.entrypoints.rest.schemas.enums import KnownDeviceCommandStatus, Operation
from sluice_common.messages.execution_events import DeviceCommandStatus

_WEEK = 7 * 86_400
_MAX_VALUE_BYTES = 1024
"""Bytes that a gateway writes; a device's record keeps up to 50 pending commands whole."""
_INTEGERS = range(-(2**63), 2**63)
"""What LwM2M and MongoDB call an integer."""
Value = str | int | float | bool


def _writable(value: Value) -> Value:
    if isinstance(value, str):
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise ValueError("no Unicode text") from error
        if size > _MAX_VALUE_BYTES:
            raise ValueError(f"more than {_MAX_VALUE_BYTES} bytes in UTF-8")
    if isinstance(value, int) and value not in _INTEGERS:
        raise ValueError("an integer of more than 64 bits")
    return value


class CommandIn(Body):
    """A request that the device shall get at its next uplink."""

    model_config = example(operation="write", path="/3/0/14", value="+01:00", expires_in=86_400)

    operation: Operation
    path: Path = Field(description="Object, instance or resource.")
    value: Annotated[Value, AfterValidator(_writable)] | None = Field(
        None, description="For write, at most 1,024 bytes; for execute the arguments."
    )
    expires_in: float = Field(86_400, gt=0, le=_WEEK, description="Seconds.")

    def command(self, command_id: str, device: models.Device, at: datetime) -> models.DeviceCommand:
        """Return the command that is asked for."""
        return models.DeviceCommand(
            command_id=command_id,
            app_id=device.app_id,
            device_id=device.device_id,
            group_ids=device.group_ids,
            operation=self.operation,
            path=self.path,
            value=self.value,
            status=DeviceCommandStatus.PENDING,
            version=-1,
            open=True,
            created_at=at,
            expires_at=at + timedelta(seconds=self.expires_in),
        )


class Command(Created):
    """A device command."""

    model_config = example(
        command_id="6745c1f0a1b2c3d4e5f6071c",
        device_id="6745c1f0a1b2c3d4e5f60718",
        operation="read",
        path="/3/0/0",
        value=None,
        status="SUCCEEDED",
        cancel_requested=False,
        code="2.05",
        values={"/3/0/0": "Acme"},
        detail=None,
        created_at="2026-11-22T12:00:00Z",
        expires_at="2026-11-23T12:00:00Z",
    )

    command_id: str
    device_id: str
    operation: Operation
    path: str
    value: Value | None = None
    status: DeviceCommandStatus
    cancel_requested: bool = False
    code: str | None = Field(None, description="CoAP response code of the device.")
    values: dict[str, Value | None] = {}
    detail: str | None = None
    expires_at: datetime


class CommandPage(Page):
    """Device commands."""

    items: list[Command]


class CommandQuery(Query):
    """Filters of the list of a device's commands."""

    status: KnownDeviceCommandStatus | None = None
