"""Which failures are worth another attempt: the one table (D06).

Not retried is what repeating cannot mend: the same package meets the same refusal.
"""

from sluice_common.reasons import ReasonCode

_FINAL = frozenset(
    {
        ReasonCode.SAME_VERSION,
        ReasonCode.TASK_CONFLICT,
        ReasonCode.CAPABILITY_MISSING,
        ReasonCode.UNSUPPORTED_SOURCE_VERSION,
        ReasonCode.UNSUPPORTED_PACKAGE_TYPE,
        ReasonCode.UNSUPPORTED_PROTOCOL,
        ReasonCode.ALREADY_LATEST,
        ReasonCode.TASK_ENDED,
        ReasonCode.STOPPED,
        ReasonCode.KEY_REVOKED,
        ReasonCode.KEY_DELETED,
        ReasonCode.PACKAGE_DELETED,
        ReasonCode.VERSION_BELOW_MINIMUM,
        ReasonCode.VERSION_NOT_COMPARABLE,
    }
)

RETRIED: dict[ReasonCode, bool] = {code: code not in _FINAL for code in ReasonCode}
"""Every reason, and whether an attempt that failed with it is followed by another."""
