"""Device commands (R111, D08) and subscriptions."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field

from sluice_api.entrypoints.rest.schemas.base import Body, Created, Page, Path, Query, example
from sluice_common.messages.execution_events import DeviceCommandStatus

_WEEK = 7 * 86_400
_MAX_VALUE_BYTES = 1024
"""Bytes that a gateway writes; a device's record keeps up to 50 pending commands whole."""
_INTEGERS = range(-(2**63), 2**63)
"""What LwM2M and MongoDB call an integer."""
Operation = Literal["read", "write", "execute"]
Value = str | int | float | bool
Event = Literal["execution_result", "execution_state_changed"]


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

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """Return what users see of the stored command."""
        return cls.model_validate(document | {"command_id": document["_id"]})


class CommandPage(Page):
    """Device commands."""

    items: list[Command]


class CommandQuery(Query):
    """Filters of the list of a device's commands."""

    status: DeviceCommandStatus | None = None


class SubscriptionIn(Body):
    """A new subscription."""

    model_config = example(
        event="execution_result",
        callback_url="https://app.example/sluice",
        secret="correct horse",  # noqa: S106 - an example
    )

    event: Event
    callback_url: str = Field(max_length=2048, description="http or https, without credentials.")
    secret: str | None = Field(None, min_length=1, max_length=256, description="Key of `Sluice-Signature`.")


class Subscription(Created):
    """A subscription; its secret is never shown."""

    model_config = example(
        subscription_id="6745c1f0a1b2c3d4e5f6071d",
        event="execution_result",
        callback_url="https://app.example/sluice",
        signed=True,
        created_at="2026-11-22T12:00:00Z",
    )

    subscription_id: str
    event: str
    callback_url: str
    signed: bool = Field(description="Whether callbacks carry `Sluice-Signature`.")

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """Return what users see of the stored subscription."""
        return cls.model_validate(
            document | {"subscription_id": document["_id"], "signed": document["secret"] is not None}
        )


class SubscriptionPage(Page):
    """Subscriptions."""

    items: list[Subscription]


class SubscriptionQuery(Query):
    """Filters of the list of subscriptions."""

    event: Event | None = None
