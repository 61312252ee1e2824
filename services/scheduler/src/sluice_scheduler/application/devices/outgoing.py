"""What `decide` wants done, as messages: each effect with its topic, key and partition."""

from typing import NamedTuple

from sluice_common.errors import PoisonError
from sluice_common.messages.base import to_json
from sluice_common.messages.cell_requests import SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceFirmwareChanged, ExecutionChanged
from sluice_common.partitions import partition_for
from sluice_common.topics import (
    CELL_REQUESTS,
    COMMAND_EVENTS,
    EXECUTION_EVENTS,
    LWM2M_COMMANDS,
    MAX_MESSAGE_BYTES,
    MQTT_COMMANDS,
    Topic,
)
from sluice_rules.devices.effects import Effect, ToGateway, ToMqtt


class TooLargeError(PoisonError):
    """What an event leads to does not fit into a message."""


class Outgoing(NamedTuple):
    """A message that is ready to be sent."""

    topic: Topic
    key: str
    partition: int
    value: bytes


def outgoing(effect: Effect, device_id: str, partitions: int) -> Outgoing:
    """Return the message of an effect.

    Raises:
        TooLargeError: It is larger than Kafka takes.
    """
    match effect:
        case ToGateway(gateway=gateway, command=command):
            message = Outgoing(LWM2M_COMMANDS, device_id, gateway, to_json(command))
        case ToMqtt(command=command):
            message = Outgoing(MQTT_COMMANDS, device_id, partition_for(device_id, partitions), to_json(command))
        case SlotAsk() | SlotReturn() | SlotHold():
            key = effect.window.cell_key
            message = Outgoing(CELL_REQUESTS, key, partition_for(key, partitions), to_json(effect))
        case _:
            topic, key = _snapshot_topic(effect)
            message = Outgoing(topic, key, partition_for(device_id, partitions), to_json(effect))
    if len(message.value) > MAX_MESSAGE_BYTES:
        raise TooLargeError(f"it would make a message of {len(message.value)} bytes for {message.topic.name}")
    return message


def _snapshot_topic(effect: ExecutionChanged | DeviceCommandChanged | DeviceFirmwareChanged) -> tuple[Topic, str]:
    match effect:
        case ExecutionChanged():
            return EXECUTION_EVENTS, effect.execution_id
        case DeviceCommandChanged():
            return COMMAND_EVENTS, effect.command_id
        case DeviceFirmwareChanged():
            return EXECUTION_EVENTS, effect.device_id
