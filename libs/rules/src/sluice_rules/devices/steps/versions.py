"""How it is decided whether an upgrade goes on from the version that a device reports (R033, R064, D04, D05)."""

from fnmatch import fnmatchcase

from sluice_common.messages.execution_events import Reason
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.completion import fail, succeed
from sluice_rules.devices.transition import Transition


def goes_on(transition: Transition, version: str) -> bool:
    """Return whether the device is to be upgraded; otherwise its execution has succeeded or failed.

    A device that runs the target has succeeded; one that runs no supported source version has failed.
    """
    execution = transition.execution
    target = execution.package.version
    execution.reported_version = version
    execution.source_version = execution.source_version or version
    if version == target:
        upgraded = execution.source_version != target
        succeed(transition, None if upgraded else Reason(code=ReasonCode.SAME_VERSION))
        return False
    if not is_supported(version, execution.package.source_versions):
        fail(transition, ReasonCode.UNSUPPORTED_SOURCE_VERSION, current=version, target=target)
        return False
    return True


def is_supported(version: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a version matches one of the patterns; no patterns mean that any version does.

    Only `*` and `?` are special; `[` stands for itself.
    """
    return not patterns or any(fnmatchcase(version, pattern.replace("[", "[[]")) for pattern in patterns)
