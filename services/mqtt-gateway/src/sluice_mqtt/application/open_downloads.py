"""What must end, or may begin, the moment a command or a revocation is read: the downloads that are under way."""

import asyncio
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sluice_common.messages.mqtt_commands import MqttCommand, QueryVersion
from sluice_mqtt.domain.downloads import DownloadPermission, Image
from sluice_mqtt.domain.permissions import DownloadPermissions


@dataclass(frozen=True, slots=True, eq=False)
class _Download:
    permission: DownloadPermission
    image: Image
    end: Callable[[], None]


class OpenDownloads:
    """The one place where permissions change."""

    def __init__(self, permissions: DownloadPermissions, revoked: Container[str]) -> None:
        """Prepare.

        Args:
            permissions: Which attempts may download.
            revoked: Ids of images that must not be served.
        """
        self._permissions = permissions
        self._revoked = revoked
        self._of_device: dict[str, set[_Download]] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        self.has_read = asyncio.Event()
        """Set once all commands and revocations were read that there were at the start: nothing is served before."""

    def missing(self) -> str | None:
        """Return what is waited for before downloads are served; None if they are."""
        return None if self.has_read.is_set() else "it is not known yet which attempts may download"

    def apply(self, command: MqttCommand) -> None:
        """Apply a command, and end the downloads of its device that it ends."""
        if isinstance(command, QueryVersion):
            return
        self._permissions.apply(command)
        if command.execution_id in self._awaited:
            self._awaited.pop(command.execution_id).set()
        self._end_closed(self._of_device.get(command.device_id, ()))

    def end_revoked(self, image_id: str) -> None:
        """End the downloads of an image that was revoked."""
        found = [d for downloads in self._of_device.values() for d in downloads if d.image.image_id == image_id]
        self._end_closed(found)

    def prune(self, now: float) -> None:
        """Forget the permissions for which no token is good any more, and end what goes on under one."""
        self._permissions.prune(now)
        self._end_closed([download for downloads in self._of_device.values() for download in downloads])

    def is_open(self, permission: DownloadPermission, image: Image) -> bool:
        """Return whether a download may go on."""
        return self._permissions.is_open(permission) and image.image_id not in self._revoked

    @contextmanager
    def under_way(self, permission: DownloadPermission, image: Image, end: Callable[[], None]) -> Iterator[None]:
        """Know of a download within the block; `end` is called when it may not go on, more than once maybe."""
        download = _Download(permission, image, end)
        self._of_device.setdefault(permission.device_id, set()).add(download)
        try:
            yield
        finally:
            left = self._of_device[permission.device_id]
            left.discard(download)
            if not left:
                del self._of_device[permission.device_id]

    async def wait_changed(self, execution: str) -> None:
        """Return when the next command for an execution has been applied."""
        await self._awaited.setdefault(execution, asyncio.Event()).wait()

    def _end_closed(self, downloads: Iterable[_Download]) -> None:
        for download in list(downloads):
            if not self.is_open(download.permission, download.image):
                download.end()
