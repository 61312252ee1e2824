"""A device as the gateway knows it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device that the platform knows.

    Attributes:
        device_id: Its id.
        app_id: The app that it belongs to.
    """

    device_id: str
    app_id: str
