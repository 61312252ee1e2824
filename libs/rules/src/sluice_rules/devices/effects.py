"""What `decide` wants done: messages, and where the topic's key alone does not say it, where to.

Leaves out how they get there (the stage's shell) and deadlines: those stand in the record.
"""

import msgspec

from sluice_common.messages.cell_requests import SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceFirmwareChanged, ExecutionChanged
from sluice_common.messages.lwm2m_commands import Lwm2mCommand
from sluice_common.messages.mqtt_commands import MqttCommand


class ToGateway(msgspec.Struct, frozen=True):
    """A command for the gateway that owns the device's registration.

    Attributes:
        gateway: Its ordinal: the partition of `lwm2m-commands`.
        command: The command.
    """

    gateway: int
    command: Lwm2mCommand


class ToMqtt(msgspec.Struct, frozen=True):
    """A command for the MQTT gateways; any of them tells the device."""

    command: MqttCommand


Effect = (
    ToGateway
    | ToMqtt
    | SlotAsk
    | SlotReturn
    | SlotHold
    | ExecutionChanged
    | DeviceCommandChanged
    | DeviceFirmwareChanged
)
