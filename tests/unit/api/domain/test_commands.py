import pytest

from sluice_api.domain.commands import as_text, device_request
from sluice_api.domain.errors import InvalidError
from sluice_api.domain.models import Operation
from sluice_common.messages.lwm2m_commands import DeviceRequest, Execute, Read, Write


@pytest.mark.parametrize(
    ("operation", "path", "value", "request_"),
    [
        (Operation.READ, "/3", None, Read(path="/3")),
        (Operation.READ, "/3/0/0", None, Read(path="/3/0/0")),
        (Operation.WRITE, "/3/0/14", "+01:00", Write(path="/3/0/14", value="+01:00")),
        (Operation.WRITE, "/1/0/1", 300, Write(path="/1/0/1", value="300")),
        (Operation.WRITE, "/1/0/6", False, Write(path="/1/0/6", value="0")),
        (Operation.WRITE, "/6/0/0", 1.5, Write(path="/6/0/0", value="1.5")),
        (Operation.EXECUTE, "/3/0/4", None, Execute(path="/3/0/4")),
        (Operation.EXECUTE, "/3/0/4", "0='x'", Execute(path="/3/0/4", arguments="0='x'")),
    ],
)
def test_a_command_becomes_a_request(
    operation: Operation, path: str, value: str | float | bool | None, request_: DeviceRequest
) -> None:
    assert device_request(operation, path, value) == request_


@pytest.mark.parametrize(
    ("operation", "path", "value"),
    [
        (Operation.READ, "/3/0/0", 1),
        (Operation.WRITE, "/3/0", 1),
        (Operation.WRITE, "/3/0/0", None),
        (Operation.EXECUTE, "/3", None),
        (Operation.WRITE, "/5/0/1", "coap://elsewhere"),
        (Operation.EXECUTE, "/5/0/2", None),
    ],
)
def test_what_a_device_must_not_be_asked_is_refused(operation: Operation, path: str, value: str | int | None) -> None:
    with pytest.raises(InvalidError):
        device_request(operation, path, value)


def test_values_are_written_as_lwm2m_text() -> None:
    assert [as_text(v) for v in (True, False, 7, -1.5, "x")] == ["1", "0", "7", "-1.5", "x"]
