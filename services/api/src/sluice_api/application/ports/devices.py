"""Devices and groups."""

from collections.abc import Sequence
from typing import Protocol

from sluice_api.application.ports.repository import Repository
from sluice_api.domain.models import Device, DeviceChange, DeviceFilter, Group, GroupFilter, Targets


class DeviceRepository(Repository[Device, DeviceFilter], Protocol):
    """The devices."""

    async def add(self, device: Device) -> None:
        """Store a device.

        Raises:
            ConflictError: Its endpoint is taken.
        """
        ...

    async def add_all(self, devices: Sequence[Device]) -> list[int]:
        """Store devices; return the indexes of those whose endpoint is taken."""
        ...

    async def change(self, app_id: str, device_id: str, change: DeviceChange) -> Device:
        """Change a device and return it as it is then.

        Raises:
            NotFoundError: The app has none of that id.
        """
        ...

    async def require_all(self, app_id: str, device_ids: Sequence[str]) -> None:
        """Check that devices exist.

        Raises:
            InvalidError: It names those that do not.
        """
        ...


class GroupRepository(Repository[Group, GroupFilter], Protocol):
    """The groups; deleting one takes all devices out of it."""

    async def add(self, group: Group) -> None:
        """Store a group.

        Raises:
            ConflictError: There is one of this name.
        """
        ...

    async def require_all(self, app_id: str, group_ids: Sequence[str]) -> None:
        """Check that groups exist.

        Raises:
            InvalidError: The app has not all of them.
        """
        ...

    async def add_members(self, app_id: str, group_id: str, device_ids: Sequence[str]) -> int:
        """Put devices into a group; return how many of the app's devices were asked for."""
        ...

    async def remove_member(self, app_id: str, group_id: str, device_id: str) -> bool:
        """Take a device out of a group; return whether it was in it."""
        ...

    async def replace_groups(self, app_id: str, device_id: str, group_ids: Sequence[str]) -> None:
        """Note with what a device is doing that its groups have been replaced."""
        ...


class DeviceConflicts(Protocol):
    """What keeps devices from a new task or command (D08)."""

    async def require_free(self, app_id: str, targets: Targets) -> None:
        """Check that no target of a new task has an active execution or a pending command.

        Raises:
            ConflictError: It names those that have.
        """
        ...

    async def require_idle(self, app_id: str, device_id: str) -> None:
        """Check that a device has no active execution, before it gets a command.

        Raises:
            ConflictError: It has.
        """
        ...
