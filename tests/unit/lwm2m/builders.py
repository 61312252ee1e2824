"""Records, commands and sessions of one device, the same for all tests of the gateway; tests name what differs."""

from typing import Any

import msgspec

from sluice_common.messages.base import utc
from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequest, DeviceRequests, WritePackageUri
from sluice_common.messages.registrations import AttemptRef, Registration

T0 = 1_700_000_000.0
"""When everything begins, seconds since 1970."""
STATE = "/5/0/3"
ATTEMPT = AttemptRef(execution_id="t:d", attempt=1)
PACKAGE_URI = WritePackageUri(image_id="i", image_size=1, not_after=utc(T0 + 60))


def registration(device_id: str = "d", **changes: Any) -> Registration:
    """Return a registration with gateway 0 and a lifetime of 1,000 s."""
    made = Registration(
        app_id="a",
        occurred_at=utc(T0),
        device_id=device_id,
        endpoint=f"ep-{device_id}",
        address="10.0.0.1:1",
        gateway=0,
        epoch=1,
        location=f"l-{device_id}",
        lifetime=1_000,
        expires_at=utc(T0 + 1_000),
    )
    return msgspec.structs.replace(made, **changes)


def device_requests(
    *requests: DeviceRequest, command_id: str = "c", attempt: int = 1, **changes: Any
) -> DeviceRequests:
    """Return a command of an attempt, or a device command for attempt 0; it expires after a minute."""
    device_id = changes.get("device_id", "d")
    made = DeviceRequests(
        app_id="a",
        occurred_at=utc(T0),
        device_id=device_id,
        command_id=command_id,
        execution_id=f"t:{device_id}" if attempt else None,
        attempt=attempt,
        epoch=1,
        expires_at=utc(T0 + 60),
        requests=requests,
    )
    return msgspec.structs.replace(made, **changes)


def close_download(attempt: int = 1, *, command_id: str = "close") -> CloseDownload:
    """Return the command that closes an attempt."""
    return CloseDownload(
        app_id="a", occurred_at=utc(T0), device_id="d", command_id=command_id, execution_id="t:d", attempt=attempt
    )
