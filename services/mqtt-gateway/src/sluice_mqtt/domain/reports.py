"""One service of a device's message (`docs/mqtt.md`, "Messages"): plain values to a report.

Tolerant where Huawei's SDKs differ: fields that nobody reads may hold anything, event types may end in `_v2`, and
numbers may be texts, as texts may be numbers. Only `result_code` must be right, as a report is nothing without it:
other fields that make no sense count as absent.
"""

from math import isfinite
from typing import Any

import msgspec

_SERVICE = "$ota"
_MAX_TEXT = 256
_MAX_CODE = 2**31


class VersionReport(msgspec.Struct, frozen=True):
    """`version_report`: None for a version that the device did not send."""

    firmware_version: str | None
    software_version: str | None


class ProgressReport(msgspec.Struct, frozen=True):
    """`upgrade_progress_report`: `progress` in percent; None for a field that the device did not send."""

    result_code: int
    progress: int | None
    version: str | None
    description: str


Report = VersionReport | ProgressReport


def parse_service(service: Any) -> Report | None:
    """Return the report that a service of a message is; None if it is another service or another event.

    Args:
        service: A value of `lenient_json`: numbers are texts.

    Raises:
        ValueError: It is no service, or its report no report.
    """
    fields = _object(service)
    if text(fields.get("service_id")) != _SERVICE:
        return None
    match text(fields.get("event_type")).removesuffix("_v2"):
        case "version_report":
            versions = _object(fields.get("paras"))
            return VersionReport(_version(versions.get("fw_version")), _version(versions.get("sw_version")))
        case "upgrade_progress_report":
            return _progress(_object(fields.get("paras")))
        case _:
            return None


def text(value: Any) -> str:
    """Return a text or a number as text, an empty one for anything else; halves of surrogate pairs become `?`."""
    if not isinstance(value, str):
        return ""
    return value.strip() if value.isascii() else value.strip().encode(errors="replace").decode()


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - of the device's JSON, not of ours
    return value


def _progress(paras: dict[str, Any]) -> ProgressReport:
    code, progress = _number(paras.get("result_code")), _number(paras.get("progress"))
    if code is None or not code.is_integer() or not 0 <= code < _MAX_CODE:
        raise ValueError("result_code is no code")
    percent = None if progress is None else int(min(max(progress, 0.0), 100.0))
    description = text(paras.get("description"))[:_MAX_TEXT]
    return ProgressReport(int(code), percent, _version(paras.get("version")), description)


def _number(value: Any) -> float | None:
    """Return a number, also one with a percent sign; None for anything else."""
    try:
        number = float(text(value).rstrip("% "))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _version(value: Any) -> str | None:
    """Return a version; None for anything that cannot be one."""
    version = text(value)
    return version if 0 < len(version) <= _MAX_TEXT else None
