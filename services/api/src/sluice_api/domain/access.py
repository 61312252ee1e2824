"""What a credential may do: scopes. Uploading a package and trusting the key that verifies it need two of them."""

from enum import StrEnum


class Scope(StrEnum):
    """A part of what an app may do (RFC 6749 §3.3)."""

    READ = "read"
    """Look at everything but secrets, which nobody sees twice."""
    OPERATE = "operate"
    """Products, devices and their groups and commands, tasks, subscriptions."""
    PUBLISH = "publish"
    """Packages."""
    KEYS = "keys"
    """Public keys, which packages are verified by."""
    OWN = "own"
    """Credentials, with any scope."""


ALL_SCOPES = frozenset(Scope)
