"""The log-in of a device as Huawei's platform defines it (`docs/mqtt.md`, "Log-in").

Client id `{device_id}_0_{0|1}_{YYYYMMDDHH}`, user name = device id, password = hex(HMAC-SHA256(key = timestamp,
message = secret)). 0 says that the platform does not check the timestamp, 1 that it does. It leaves out where secrets
come from.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

_CLIENT_ID = re.compile(r"([0-9A-Za-z_-]{1,256})_0_([01])_(\d{10})", re.ASCII)
_HOUR = 3600.0


class Denial(StrEnum):
    """Why a log-in is denied; logged, and never sent to the client."""

    CLIENT_ID = "client_id"
    USER_NAME = "user_name"
    UNKNOWN_DEVICE = "unknown_device"
    TIMESTAMP = "timestamp"
    PASSWORD = "password"  # noqa: S105 - the name of a reason
    ADDRESS = "address"
    TOO_OFTEN = "too_often"


class DeniedError(ValueError):
    """The log-in is denied."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.value)
        self.denial = denial


@dataclass(frozen=True, slots=True)
class ClientId:
    """What a client id says; `is_timed` asks for a check of the timestamp, an hour in UTC."""

    device_id: str
    is_timed: bool
    timestamp: str


def parse_client_id(text: str) -> ClientId:
    """Return the parts of a client id.

    Raises:
        DeniedError: It has another form.
    """
    match = _CLIENT_ID.fullmatch(text)
    if match is None:
        raise DeniedError(Denial.CLIENT_ID)
    device_id, mode, timestamp = match.groups()
    return ClientId(device_id, mode == "1", timestamp)


def password_for(secret: bytes, timestamp: str) -> str:
    """Return the password that belongs to a secret and an hour."""
    return hmac.digest(timestamp.encode(), secret, "sha256").hex()


def check(client: ClientId, password: str, secret: bytes | None, now: float, tolerance: float) -> None:
    """Check a log-in; compares passwords in constant time, also for a device that nobody knows.

    Args:
        client: From the client id.
        password: As sent.
        secret: Of the device; None if there is no such device or it has none.
        now: Seconds since 1970.
        tolerance: Seconds that a checked timestamp may lie before or after now.

    Raises:
        DeniedError: With the reason.
    """
    expected = password_for(secret or b"", client.timestamp)
    is_right = hmac.compare_digest(expected.encode(), password.lower().encode())
    if secret is None:
        raise DeniedError(Denial.UNKNOWN_DEVICE)
    if not is_right:
        raise DeniedError(Denial.PASSWORD)
    if client.is_timed and not _is_near(client.timestamp, now, tolerance):
        raise DeniedError(Denial.TIMESTAMP)


def _is_near(timestamp: str, now: float, tolerance: float) -> bool:
    try:
        begin = datetime.strptime(timestamp, "%Y%m%d%H").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    return begin - tolerance <= now < begin + _HOUR + tolerance
