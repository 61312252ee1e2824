"""`lwm2m-commands`, partition = ordinal of the owning gateway: what devices shall be asked.

A command is answered by one `CommandOutcome` on `device-events`, or by none, which is the deadline's case.
"""

from datetime import datetime

from sluice_common.messages.base import Message, Value


class Read(Value, frozen=True, kw_only=True, tag_field="op", tag="read"):
    """LwM2M Read of an object instance or resource (`/3/0/3`, `/4/0`)."""

    path: str


class Write(Value, frozen=True, kw_only=True, tag_field="op", tag="write"):
    """LwM2M Write of one resource.

    Attributes:
        path: The resource.
        value: Sent as UTF-8.
        content_format: 0 for text/plain, 42 for application/octet-stream.
    """

    path: str
    value: str
    content_format: int = 0


class Execute(Value, frozen=True, kw_only=True, tag_field="op", tag="execute"):
    """LwM2M Execute.

    The gateway records the command id durably before it sends and never sends it twice (invariant 5): a command
    that it meets again is answered `already_sent`.
    """

    path: str
    arguments: str = ""


class Observe(Value, frozen=True, kw_only=True, tag_field="op", tag="observe"):
    """LwM2M Observe; notifications come back as `FirmwareStateNotified` for `/5/0/3`."""

    path: str


class CancelObserve(Value, frozen=True, kw_only=True, tag_field="op", tag="cancel_observe"):
    """Cancel Observe at the device: a GET with the same token and Observe 1 (RFC 7641 §3.6)."""

    path: str


class WritePackageUri(Value, frozen=True, kw_only=True, tag_field="op", tag="write_package_uri"):
    """Write `/5/0/1` with an image URI whose path token the gateway signs.

    Attributes:
        image_id: The image to serve.
        image_size: Bytes.
        not_after: The token's end: the download deadline.
    """

    image_id: str
    image_size: int
    not_after: datetime


DeviceRequest = Read | Write | Execute | Observe | CancelObserve | WritePackageUri


class DeviceRequests(Message, frozen=True, kw_only=True):
    """Requests to one device, sent one after the other; the first that fails ends the command.

    Attributes:
        device_id: The device.
        command_id: Made as grants are (execution, attempt, offset), or a device command's id. It comes again, with
            another `expires_at`, if its event was decided on twice or nothing had been sent.
        execution_id: The execution it serves; None for device commands.
        attempt: The attempt it serves; 0 for device commands.
        epoch: Epoch of the registration that the sender knows; another one is answered `stale`.
        expires_at: Not sent after this.
        requests: At least one.
    """

    device_id: str
    command_id: str
    execution_id: str | None = None
    attempt: int = 0
    epoch: int
    expires_at: datetime
    requests: tuple[DeviceRequest, ...]


class CloseDownload(Message, frozen=True, kw_only=True):
    """Fence an attempt at a gateway: from the outcome on, no block of its image is served there (4.04).

    Needs no reachable device, nor one that the gateway owns; answered `done` once that is durable.

    Attributes:
        device_id: The device.
        command_id: As in `DeviceRequests`.
        execution_id: The execution.
        attempt: The attempt whose image is served no more.
        is_awaited: Whether anything waits for the outcome; if not, none is published.
    """

    device_id: str
    command_id: str
    execution_id: str
    attempt: int
    is_awaited: bool = True


Lwm2mCommand = DeviceRequests | CloseDownload
