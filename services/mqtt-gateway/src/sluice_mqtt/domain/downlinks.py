"""What devices are told on `sys/events/down` (`docs/mqtt.md`, "Messages")."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class FirmwareOffer:
    """What `firmware_upgrade` says.

    Attributes:
        version: The target version, which the device must report afterwards.
        url: Where to fetch the image.
        access_token: Sent back by the device as `Authorization: Bearer`.
        expires: Seconds that the token is good for.
        file_name: Name of the image.
        file_size: Bytes of the image.
        sign: SHA-256 of the image, hex.
        task_id: The upgrade task.
    """

    version: str
    url: str
    access_token: str
    expires: int
    file_name: str
    file_size: int
    sign: str
    task_id: str


def version_query(device_id: str, now: float) -> bytes:
    """Return the question for the device's versions (R093)."""
    return _event(device_id, "version_query", {}, now)


def firmware_upgrade(device_id: str, offer: FirmwareOffer, now: float) -> bytes:
    """Return the offer of an image (R097); LiteOS ignores it unless URL, size, token and digest are all there."""
    paras = {
        "version": offer.version,
        "url": offer.url,
        "file_size": offer.file_size,
        "file_name": offer.file_name,
        "access_token": offer.access_token,
        "expires": offer.expires,
        "sign": offer.sign,
        "custom_info": "",
        "task_id": offer.task_id,
        "task_ext_info": {},
    }
    return _event(device_id, "firmware_upgrade", paras, now)


def _event(device_id: str, event_type: str, paras: dict[str, Any], now: float) -> bytes:
    service = {
        "service_id": "$ota",
        "event_type": event_type,
        "event_time": datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ"),
        "paras": paras,
    }
    return _ENCODER.encode({"object_device_id": device_id, "services": [service]})
