"""Identifiers of everything the platform names.

All ids that the platform makes are 24 hexadecimal digits (12 bytes, time first), so that they sort by
creation and fit compactly into the image token. Composite ids are built here and nowhere else.
"""

import os
import time


def new_id() -> str:
    """Return a fresh id: 4 bytes of seconds since 1970 and 8 random bytes, as 24 hex digits."""
    return f"{int(time.time()):08x}{os.urandom(8).hex()}"


def execution_id(task_id: str, device_id: str) -> str:
    """Return the id of one device in one task."""
    return f"{task_id}:{device_id}"


def split_execution_id(value: str) -> tuple[str, str]:
    """Return (task_id, device_id) of an execution id.

    Raises:
        ValueError: The value has no colon.
    """
    task_id, separator, device_id = value.partition(":")
    if not separator:
        raise ValueError(f"not an execution id: {value!r}")
    return task_id, device_id
