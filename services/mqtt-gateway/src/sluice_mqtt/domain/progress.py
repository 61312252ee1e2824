"""When the scheduler is told how a download goes: at the first byte, now and then while bytes flow, and at the last."""

from sluice_mqtt.domain.permissions import Right


def is_news(right: Right, now: float, interval: float) -> bool:
    """Return whether bytes that flow now are worth telling, and note that they are told.

    Also bytes after the last: whoever fetches again has not got what it needs, and may complete it once more.

    Args:
        right: Whose download it is.
        now: Seconds since 1970.
        interval: Seconds between two tellings.
    """
    if now < right.told_at + interval:
        return False
    right.told_at = now
    right.is_complete = False
    return True


def is_last(right: Right, first: int, end: int, size: int) -> bool:
    """Return whether bytes `first` up to `end`, served now, are the rest of the image.

    They are if they reach its end and everything before was served too. A replica that has not served the beginning
    (another one did) takes what goes on exactly where a range of its own ended. A first byte beyond shows nothing: a
    client may look at the end of a file first.
    """
    return end == size and (first <= right.served or first == right.served_elsewhere)


def note_served(right: Right, first: int, end: int) -> None:
    """Note that bytes were sent. Where a download breaks, the device knows best how many of them it has."""
    if first <= right.served:
        right.served = max(right.served, end)
    else:
        right.served_elsewhere = end


def is_completion(right: Right) -> bool:
    """Return whether the last byte, served now, is worth telling, and note that it is told."""
    if right.is_complete:
        return False
    right.is_complete = True
    return True
