"""`mqtt-commands`, key device_id: what MQTT devices shall be told (R093, R097).

No command has an outcome: the device's own messages, the progress of its download and the deadlines drive everything.
Every gateway reads the whole topic, so that each can tell which attempt of a device may download.
"""

from datetime import datetime

from sluice_common.messages.base import Message
from sluice_common.messages.snapshots import PackageSnapshot


class QueryVersion(Message, frozen=True, kw_only=True):
    """Ask the device for its versions (`version_query`); it answers with a `VersionReported`, or not at all.

    Attributes:
        device_id: The device.
        command_id: Never re-used.
        execution_id: The execution it serves.
        attempt: The attempt it serves.
        expires_at: Of no use to the device after this.
    """

    device_id: str
    command_id: str
    execution_id: str
    attempt: int
    expires_at: datetime


class OfferFirmware(Message, frozen=True, kw_only=True):
    """Tell the device to fetch and install an image (`firmware_upgrade`).

    From here on the attempt is the device's current one: the images of all earlier ones are served no more.

    Attributes:
        device_id: The device.
        command_id: Never re-used.
        execution_id: The execution it serves.
        attempt: The attempt it serves.
        expires_at: Of no use to the device after this.
        package: What to install.
        not_after: End of the download token, at most 24 hours from the offer (R099).
        one_based_ranges: The product counts the bytes of a `Range` from 1, as LiteOS does (D13).
    """

    device_id: str
    command_id: str
    execution_id: str
    attempt: int
    expires_at: datetime
    package: PackageSnapshot
    not_after: datetime
    one_based_ranges: bool = False


class CloseDownload(Message, frozen=True, kw_only=True):
    """Fence an attempt: its image and those of all earlier attempts are served no more; needs no reachable device."""

    device_id: str
    command_id: str
    execution_id: str
    attempt: int


MqttCommand = QueryVersion | OfferFirmware | CloseDownload
