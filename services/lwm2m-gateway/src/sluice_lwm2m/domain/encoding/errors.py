"""Errors of what devices send."""


class PayloadError(ValueError):
    """A payload that cannot be decoded; the text says why and holds nothing of it."""
