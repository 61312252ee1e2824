import pytest

from sluice_api.domain.commands import as_text, device_request
from sluice_api.domain.errors import InvalidError
from sluice_common.messages.lwm2m_commands import DeviceRequest, Execute, Read, Write


@pytest.mark.parametrize(
    ("operation", "path", "value", "request_"),
    [
        ("read", "/3", None, Read(path="/3")),
        ("read", "/3/0/0", None, Read(path="/3/0/0")),
        ("write", "/3/0/14", "+01:00", Write(path="/3/0/14", value="+01:00")),
        ("write", "/1/0/1", 300, Write(path="/1/0/1", value="300")),
        ("write", "/1/0/6", False, Write(path="/1/0/6", value="0")),
        ("write", "/6/0/0", 1.5, Write(path="/6/0/0", value="1.5")),
        ("execute", "/3/0/4", None, Execute(path="/3/0/4")),
        ("execute", "/3/0/4", "0='x'", Execute(path="/3/0/4", arguments="0='x'")),
    ],
)
def test_a_command_becomes_a_request(
    operation: str, path: str, value: str | float | bool | None, request_: DeviceRequest
) -> None:
    assert device_request(operation, path, value) == request_


@pytest.mark.parametrize(
    ("operation", "path", "value"),
    [
        ("read", "/3/0/0", 1),
        ("write", "/3/0", 1),
        ("write", "/3/0/0", None),
        ("execute", "/3", None),
        ("write", "/5/0/1", "coap://elsewhere"),
        ("execute", "/5/0/2", None),
    ],
)
def test_what_a_device_must_not_be_asked_is_refused(operation: str, path: str, value: str | int | None) -> None:
    with pytest.raises(InvalidError):
        device_request(operation, path, value)


def test_values_are_written_as_lwm2m_text() -> None:
    assert [as_text(v) for v in (True, False, 7, -1.5, "x")] == ["1", "0", "7", "-1.5", "x"]
