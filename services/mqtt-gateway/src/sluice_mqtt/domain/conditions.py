"""Conditional requests (RFC 9110 §13): what a device must have, or must not have, for the image to be sent.

Leaves out dates: images have none.
"""

import re

_TAG = re.compile(r'(?:W/)?"[^"]*"')
NOT_MODIFIED = 304
PRECONDITION_FAILED = 412


def unmet(if_match: str | None, if_none_match: str | None, etag: str) -> int | None:
    """Return the status of the first condition that does not hold, in the order of §13.2.2; None if all do.

    Args:
        if_match: The header: the image must be one of these, by strong comparison (§13.1.1).
        if_none_match: The header: it must be none of these, by weak comparison (§13.1.2).
        etag: The image's strong validator.
    """
    if if_match and not _names(if_match, etag):
        return PRECONDITION_FAILED
    if if_none_match and _names(if_none_match.replace("W/", ""), etag):
        return NOT_MODIFIED
    return None


def is_still(condition: str | None, etag: str) -> bool:
    """Return whether `If-Range` lets a range be served: absent, or the same strong validator (§13.1.5)."""
    return condition is None or condition.strip() == etag


def _names(condition: str, etag: str) -> bool:
    return condition.strip() == "*" or etag in _TAG.findall(condition)
