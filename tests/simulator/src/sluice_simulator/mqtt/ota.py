"""The messages of Huawei's device protocol that concern upgrades, as a device reads and writes them.

Topics, events and their fields: IoTDA API reference, "Software/firmware upgrade" (version_query, version_report,
firmware_upgrade, upgrade_progress_report). Log-in: IoTDA, "MQTT CONNECT connection authentication".
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from sluice_simulator.mqtt.packet import LogIn

SERVICE: Final = "$ota"
VERSION_QUERY: Final = "version_query"
VERSION_REPORT: Final = "version_report"
FIRMWARE_UPGRADE: Final = "firmware_upgrade"
PROGRESS_REPORT: Final = "upgrade_progress_report"


class ResultCode(IntEnum):
    """`result_code` of `upgrade_progress_report`."""

    SUCCESS = 0
    IN_USE = 1
    POOR_SIGNAL = 2
    ALREADY_LATEST = 3
    LOW_BATTERY = 4
    NO_SPACE = 5
    DOWNLOAD_TIMEOUT = 6
    VERIFICATION_FAILED = 7
    UNSUPPORTED_TYPE = 8
    NO_MEMORY = 9
    INSTALL_FAILED = 10
    INTERNAL_ERROR = 255


class OfferError(ValueError):
    """A `firmware_upgrade` without what a device needs."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A `firmware_upgrade`.

    Attributes:
        version: What to become.
        url: Where the image is.
        file_size: Its bytes.
        token: For the header `Authorization: Bearer`.
        expires: Seconds that the token is good for; None if not said.
        sign: SHA-256 of the image, hex digits.
    """

    version: str
    url: str
    file_size: int
    token: str
    expires: int | None
    sign: str

    @classmethod
    def parse(cls, paras: dict[str, Any]) -> "Offer":
        """Read the `paras` of the event; as strict as LiteOS, which wants all five.

        Raises:
            OfferError: Something is missing or of the wrong type.
        """
        version, url, size, token, sign = (
            paras.get(name) for name in ("version", "url", "file_size", "access_token", "sign")
        )
        if not (isinstance(version, str) and isinstance(url, str) and isinstance(size, int)):
            raise OfferError("version, url and file_size are required")
        if not (isinstance(token, str) and isinstance(sign, str)):
            raise OfferError("access_token and sign are required")
        expires = paras.get("expires")
        return cls(version, url, size, token, expires if isinstance(expires, int) else None, sign.lower())


def log_in(device_id: str, secret: str, at: datetime, *, checks_time: bool) -> LogIn:
    """The three fields of CONNECT.

    Args:
        device_id: The device.
        secret: Shared with the platform.
        at: Now; its hour (UTC) is the key of the password.
        checks_time: Whether the platform shall check that the hour is about now.
    """
    hour = at.astimezone(UTC).strftime("%Y%m%d%H")
    password = hmac.new(hour.encode(), secret.encode(), hashlib.sha256).hexdigest()
    return LogIn(f"{device_id}_0_{int(checks_time)}_{hour}", device_id, password)


def up_topic(device_id: str) -> str:
    """Where a device publishes its events."""
    return f"$oc/devices/{device_id}/sys/events/up"


def down_topic(device_id: str) -> str:
    """Where the platform publishes events for it."""
    return f"$oc/devices/{device_id}/sys/events/down"


def events(payload: bytes, service: str = SERVICE) -> list[tuple[str, dict[str, Any]]]:
    """Type and `paras` of each event for a service in a message; nothing from what is not understood."""
    try:
        message = json.loads(payload)
        services = [one for one in message["services"] if one["service_id"] == service]
        return [(str(one["event_type"]), dict(one.get("paras") or {})) for one in services]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who says something, and when.

    Attributes:
        device_id: The device.
        event_time: As `written_time` writes it.
        event_id: None at SDKs that leave it empty.
    """

    device_id: str
    event_time: str
    event_id: UUID | None = None


def version_report(stamp: Stamp, version: str) -> bytes:
    """The answer to `version_query`."""
    return _message(stamp, SERVICE, VERSION_REPORT, {"sw_version": version, "fw_version": version})


def progress_report(stamp: Stamp, result: ResultCode, progress: int, version: str, description: str = "") -> bytes:
    """How the upgrade goes, and how it ended."""
    paras = {"result_code": int(result), "progress": progress, "version": version, "description": description}
    return _message(stamp, SERVICE, PROGRESS_REPORT, paras)


def chatter(stamp: Stamp) -> tuple[bytes, bytes]:
    """What Huawei's SDKs send once they are connected, and what no upgrade needs: about themselves, and a log."""
    info = {"device_sdk_version": "JAVA_v1.2.1", "fw_version": None, "sw_version": None}
    log = {"timestamp": stamp.event_time, "type": "DEVICE_STATUS", "content": "connect success"}
    return (
        _message(stamp, "$sdk_info", "sdk_info_report", info),
        _message(stamp, "$log", "log_report", log),
    )


def written_time(at: datetime, *, dashes: bool) -> str:
    """`event_time` in one of the two ways that SDKs write it."""
    utc = at.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ" if dashes else "%Y%m%dT%H%M%SZ")


def _message(stamp: Stamp, service: str, kind: str, paras: dict[str, Any]) -> bytes:
    event = {
        "service_id": service,
        "event_type": kind,
        "event_time": stamp.event_time,
        "event_id": str(stamp.event_id) if stamp.event_id else "",
        "paras": paras,
    }
    return json.dumps({"object_device_id": stamp.device_id, "services": [event]}).encode()
