"""When the scheduler is told how a download goes: at the first byte, now and then while bytes flow, and at the last."""

from sluice_mqtt.domain.rights import Right


def is_news(right: Right, now: float, interval: float) -> bool:
    """Tell whether bytes that flow now are worth telling, and note that they are told.

    Args:
        right: Whose download it is; one that is complete is never told again.
        now: Seconds since 1970.
        interval: Seconds between two tellings.
    """
    if right.is_complete or now < right.told_at + interval:
        return False
    right.told_at = now
    return True


def is_completion(right: Right) -> bool:
    """Tell whether the last byte, served now, is worth telling, and note that it is told."""
    if right.is_complete:
        return False
    right.is_complete = True
    return True
