"""Whose an endpoint client name is on plain CoAP, where nobody proves anything: the administrator says so, by prefixes.

Two apps may each have a device of one name. The device that registers is that of the app to which the administrator has
bound the longest prefix of the name; the empty prefix stands for all names.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol, TypeVar


class UnboundNames(StrEnum):
    """Whose a name is that no prefix of any app begins."""

    REFUSED = "refused"
    FIRST_DEVICE = "first_device"


class OwnedDevice(Protocol):
    """A device of an app; ids sort by the time of creation."""

    @property
    def device_id(self) -> str:
        """Its id."""

    @property
    def app_id(self) -> str:
        """The app that has it."""


Device = TypeVar("Device", bound=OwnedDevice)


class NameOwners:
    """The bindings of all apps.

    Args:
        apps: The app of each prefix.
        unbound: Whose all other names are.
    """

    def __init__(self, apps: Mapping[str, str], unbound: UnboundNames) -> None:
        self._apps = apps
        self._lengths = sorted({len(prefix) for prefix in apps}, reverse=True)
        self._unbound = unbound

    def app_of(self, name: str) -> str | None:
        """Return the app to which a name is bound, by the longest prefix; None if it is bound to none."""
        return next((self._apps[name[:n]] for n in self._lengths if name[:n] in self._apps), None)

    def choose(self, name: str, devices: Sequence[Device]) -> Device | None:
        """Return which of the devices of a name registers by it, None for none of them."""
        app_id = self.app_of(name)
        if app_id is not None:
            return next((device for device in devices if device.app_id == app_id), None)
        if self._unbound is UnboundNames.REFUSED:
            return None
        return min(devices, key=lambda device: device.device_id, default=None)
