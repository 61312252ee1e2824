"""Bytes to messages: what arrives from a topic is untrusted until it has been through here.

Leaves out what to do with a broken message; the bus sends it to `dead-letters`.
"""

from typing import Any

import msgspec

from sluice_common.errors import PoisonError
from sluice_common.messages.cell_requests import CellRequest
from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.device_events import DeviceEvent
from sluice_common.messages.execution_events import ExecutionEvent
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.messages.lwm2m_commands import Lwm2mCommand
from sluice_common.messages.mqtt_commands import MqttCommand
from sluice_common.messages.package_events import PackageEvent
from sluice_common.messages.registrations import Registration
from sluice_common.messages.task_events import TaskEvent

SCHEMA_VERSION = 1
"""The newest shape that this code understands."""


class BrokenMessageError(PoisonError):
    """The bytes are no message of the topic; the text says why."""


class Decoder:
    """Decodes the values of one topic."""

    def __init__(self, message_type: Any) -> None:
        self._decoder = msgspec.json.Decoder(message_type)

    def decode(self, value: bytes | None) -> Any:
        """Return the message.

        Raises:
            BrokenMessageError: Not JSON, unknown type, missing or wrong field, or a newer schema.
        """
        if value is None:
            raise BrokenMessageError("empty value")
        try:
            message = self._decoder.decode(value)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise BrokenMessageError(str(error)) from error
        if message.schema_version > SCHEMA_VERSION:
            raise BrokenMessageError(f"schema_version {message.schema_version} is newer than {SCHEMA_VERSION}")
        return message


TASK_EVENTS = Decoder(TaskEvent)
DEVICE_EVENTS = Decoder(DeviceEvent)
CELL_REQUESTS = Decoder(CellRequest)
LWM2M_COMMANDS = Decoder(Lwm2mCommand)
MQTT_COMMANDS = Decoder(MqttCommand)
REGISTRATIONS = Decoder(Registration)
DEVICE_ACTIVITY = Decoder(DevicesSeen)
EXECUTION_EVENTS = Decoder(ExecutionEvent)
GATEWAY_CLAIMS = Decoder(GatewayClaim)
PACKAGE_EVENTS = Decoder(PackageEvent)
