"""How a device is got out of an older download: its update state machine is reset (OMA TS 1.1.1 §E.6).

There are two ways, and devices that take only one of them: an empty Package URI, or a NUL byte in Package. They are
tried in this order, and never at a device that is known to be idle or updating: some take an empty URI for a download.
"""

from sluice_common.messages.lwm2m_commands import Write
from sluice_rules.devices.attempt import Attempt
from sluice_rules.devices.judgements import IDLE, UPDATING
from sluice_rules.devices.lwm2m_paths import PACKAGE, PACKAGE_URI

_OPAQUE = 42
"""application/octet-stream, the format of Package."""

_WAYS = (Write(path=PACKAGE_URI, value=""), Write(path=PACKAGE, value="\0", content_format=_OPAQUE))


def next_reset(attempt: Attempt) -> Write | None:
    """Return the write that may reset the device, None if it must not be reset or nothing is left to try."""
    if attempt.firmware_state in (IDLE, UPDATING) or attempt.resets >= len(_WAYS):
        return None
    return _WAYS[attempt.resets]
