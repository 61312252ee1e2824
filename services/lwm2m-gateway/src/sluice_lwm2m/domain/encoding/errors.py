"""Errors of what devices send."""


class PayloadError(ValueError):
    """A payload that cannot be understood; the text says why and is safe to hand on."""
