"""Rules of packages: what is shown of one that must not be used. Verifying them is the signing service's."""

from sluice_common.reasons import ReasonCode, reason_text


def rejection(why: ReasonCode) -> dict[str, str]:
    """Return why the platform itself refuses a package, as it is stored and shown."""
    return {"code": why.value, "message": reason_text(why, {})}
