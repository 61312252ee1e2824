"""Keyset cursors: the id after which the next page begins, opaque to callers."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from sluice_api.domain.errors import InvalidError

MAX_CURSOR = 512
"""Characters; no id of the platform needs more."""


def encode_cursor(last_id: str) -> str:
    """Return the cursor of a page that ends with an id."""
    return urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Return the id that a cursor stands for.

    Raises:
        InvalidError: No cursor of ours.
    """
    last_id = _decoded(cursor) if len(cursor) <= MAX_CURSOR else ""
    if not last_id or encode_cursor(last_id) != cursor:
        raise InvalidError("after", "not a cursor of this API", "invalid_cursor")
    return last_id


def _decoded(cursor: str) -> str:
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        return ""
