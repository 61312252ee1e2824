"""The MQTT topics of devices: each may use those below its own prefix only.

`$oc/devices/{device_id}/sys/events/up` and `down` carry the firmware messages; below `/user/` lie the topics that the
SDKs leave to the application (Huawei's "custom topics").
"""

import re

_PREFIX = "$oc/devices/"
_UP = "/sys/events/up"
_DEVICE_ID = re.compile(r"[0-9A-Za-z_-]{1,256}", re.ASCII)
ALL_UPLINKS = f"{_PREFIX}+{_UP}"
"""Filter of what all devices report."""


def down_topic(device_id: str) -> str:
    """Return where a device listens; the broker subscribes it by itself."""
    return f"{_PREFIX}{device_id}/sys/events/down"


def sender(topic: str) -> str | None:
    """Return the device that reports on a topic; None if it is none of these topics."""
    if not (topic.startswith(_PREFIX) and topic.endswith(_UP)):
        return None
    device_id = topic[len(_PREFIX) : -len(_UP)]
    return device_id if _DEVICE_ID.fullmatch(device_id) else None


def may_use(device_id: str, topic: str) -> bool:
    """Return whether a device may publish to a topic or subscribe to a filter."""
    own = f"{_PREFIX}{device_id}/"
    return _DEVICE_ID.fullmatch(device_id) is not None and topic.startswith(own) and len(topic) > len(own)
