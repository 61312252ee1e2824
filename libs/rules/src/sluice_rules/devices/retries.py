"""Which failures another attempt can heal: the one table of that (D06, R134)."""

from types import MappingProxyType

from sluice_common.reasons import ReasonCode

HEALED_BY_RETRY = MappingProxyType(
    {
        # The device was away, busy or in bad radio: it may be better off later.
        ReasonCode.ONLINE_TIMEOUT: True,
        ReasonCode.DEVICE_OFFLINE: True,
        ReasonCode.VERSION_TIMEOUT: True,
        ReasonCode.VERSION_UNREADABLE: True,
        ReasonCode.CELL_ID_UNAVAILABLE: True,
        ReasonCode.OBSERVE_FAILED: True,
        ReasonCode.PACKAGE_URI_REFUSED: True,
        ReasonCode.DEVICE_IN_USE: True,
        ReasonCode.POOR_SIGNAL: True,
        ReasonCode.LOW_BATTERY: True,
        # The image did not arrive, or not whole.
        ReasonCode.DOWNLOAD_START_TIMEOUT: True,
        ReasonCode.DOWNLOAD_TIMEOUT: True,
        ReasonCode.DEVICE_DOWNLOAD_TIMEOUT: True,
        ReasonCode.CONNECTION_LOST: True,
        ReasonCode.INTEGRITY_CHECK_FAILED: True,
        ReasonCode.NOT_ENOUGH_STORAGE: True,
        ReasonCode.OUT_OF_MEMORY: True,
        ReasonCode.INVALID_URI: True,
        # It arrived and was not installed, as far as is known: the device runs what it ran.
        ReasonCode.UPDATE_REFUSED: True,
        ReasonCode.UPDATE_START_TIMEOUT: True,
        ReasonCode.UPDATE_RESULT_TIMEOUT: True,
        ReasonCode.VERSION_CHECK_TIMEOUT: True,
        ReasonCode.FIRMWARE_UPDATE_FAILED: True,
        ReasonCode.UNKNOWN_UPDATE_RESULT: True,
        ReasonCode.DEVICE_INTERNAL_ERROR: True,
        ReasonCode.DEVICE_REPORTED_FAILURE: True,
        # The image arrived whole, and the device goes by another version: the same image makes no other.
        ReasonCode.VERSION_MISMATCH: False,
        # A person decided at the device.
        ReasonCode.UPDATE_CANCELLED: False,
        ReasonCode.UPDATE_DEFERRED: False,
        # The same package would be refused again.
        ReasonCode.CAPABILITY_MISSING: False,
        ReasonCode.UNSUPPORTED_SOURCE_VERSION: False,
        ReasonCode.UNSUPPORTED_PACKAGE_TYPE: False,
        ReasonCode.UNSUPPORTED_PROTOCOL: False,
        ReasonCode.ALREADY_LATEST: False,
        ReasonCode.VERSION_BELOW_MINIMUM: False,
        ReasonCode.VERSION_NOT_COMPARABLE: False,
        ReasonCode.MANIFEST_V1_NOT_ALLOWED: False,
        # The task, its package or its key is over, or the device another task's.
        ReasonCode.TASK_CONFLICT: False,
        ReasonCode.TASK_ENDED: False,
        ReasonCode.STOPPED: False,
        ReasonCode.KEY_REVOKED: False,
        ReasonCode.KEY_DELETED: False,
        ReasonCode.PACKAGE_DELETED: False,
        ReasonCode.RETRIED_TASK_DELETED: False,
        # Notes on a success.
        ReasonCode.SAME_VERSION: False,
        ReasonCode.CONTRADICTORY_RESULT: False,
    }
)
"""Reason → whether the attempt after it can come out otherwise."""


def is_healed_by_retry(code: ReasonCode) -> bool:
    """Return whether the attempt after a failure can come out otherwise; what a newer version wrote is tried again."""
    return HEALED_BY_RETRY.get(code, True)
