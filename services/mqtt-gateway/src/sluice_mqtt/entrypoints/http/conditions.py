"""Conditional requests (RFC 9110 §13): what a device must have, or must not have, for the image to be sent.

aiohttp parses the lists of entity tags; of `If-Range` it parses dates only, and images have none.
"""

from collections.abc import Sequence

from aiohttp import ETag, web


def failed_precondition(request: web.Request, etag: str) -> int | None:
    """Return the status of the first condition that does not hold, in the order of §13.2.2; None if all do.

    Args:
        request: `If-Match` names the image by strong comparison (§13.1.1), `If-None-Match` by weak one (§13.1.2).
        etag: The image's strong validator, without quotes.
    """
    if request.if_match is not None and not _names([tag for tag in request.if_match if not tag.is_weak], etag):
        return web.HTTPPreconditionFailed.status_code
    if request.if_none_match is not None and _names(request.if_none_match, etag):
        return web.HTTPNotModified.status_code
    return None


def allows_range(request: web.Request, etag: str) -> bool:
    """Return whether `If-Range` lets a range be served: absent, or the same strong validator (§13.1.5)."""
    condition = request.headers.get("If-Range")
    return condition is None or condition.strip() == f'"{etag}"'


def _names(tags: Sequence[ETag], etag: str) -> bool:
    return any(tag.value in {etag, "*"} for tag in tags)
