"""From what app servers ask of a device to an LwM2M request. Pure."""

from sluice_api.domain.errors import InvalidError
from sluice_api.domain.models import Operation
from sluice_common.messages.lwm2m_commands import DeviceRequest, Execute, Read, Write

_RESOURCE_DEPTH = 3
_FIRMWARE_UPDATE = "5"
"""Object id (OMA TS 1.1.1 §E.6)."""


def device_request(operation: Operation, path: str, value: str | float | bool | None) -> DeviceRequest:
    """Return the request that a command stands for.

    Raises:
        InvalidError: Write and Execute need a resource, Write a value; the Firmware Update object belongs to tasks,
            which know how many devices of a cell may use it at once.
    """
    parts = path.strip("/").split("/")
    if operation is Operation.READ:
        if value is not None:
            raise InvalidError("value", "read takes none")
        return Read(path=path)
    if len(parts) != _RESOURCE_DEPTH:
        raise InvalidError("path", f"{operation} needs a resource, as in /3/0/4")
    if parts[0] == _FIRMWARE_UPDATE:
        raise InvalidError("path", "object 5 is driven by upgrade tasks only", "reserved_object")
    if operation is Operation.EXECUTE:
        return Execute(path=path, arguments="" if value is None else as_text(value))
    if value is None:
        raise InvalidError("value", "write needs a value")
    return Write(path=path, value=as_text(value))


def as_text(value: str | float | bool) -> str:
    """Return a value in the text format of LwM2M (OMA TS 1.0.2 §6.4.1): booleans are 0 and 1."""
    return str(int(value)) if isinstance(value, bool) else str(value)
