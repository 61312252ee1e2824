"""`device-activity`, key = ordinal of the gateway: which devices have spoken, many in one record.

It serves what people see of a device, and no rule: rules hear of uplinks (`device_events`).
"""

from sluice_common.messages.base import Message


class DevicesSeen(Message, frozen=True, kw_only=True):
    """Devices that have said something, each named at most once in some 25 seconds.

    `app_id` is empty, as they may be of several apps; `occurred_at` is a few seconds before their words at most.

    Attributes:
        gateway: Ordinal of the gateway that has heard them.
        device_ids: The devices.
    """

    gateway: int
    device_ids: tuple[str, ...]
