"""Which attempt of which device may download, as `mqtt-commands` says (R097–R099).

Every replica reads the whole topic, so that each knows which attempts are closed or replaced by a later one. Commands
may come twice, and a repeated one changes nothing: a closed attempt stays closed, and an offer is replaced only by one
that was made later. It leaves out the token's signature.
"""

from enum import StrEnum

from sluice_common.ids import execution_id, split_execution_id
from sluice_common.messages.mqtt_commands import CloseDownload, MqttCommand, OfferFirmware
from sluice_common.tokens import ImageToken
from sluice_mqtt.domain.downloads import DownloadPermission, Image

_MAX_LIFETIME = 86_400.0
"""Seconds for which a token is good at most (R099)."""


class DenyReason(StrEnum):
    """Why a token permits no download; an `UNKNOWN` one may still do so when this replica has read its offer."""

    EXPIRED = "expired"
    CLOSED = "closed"
    OUTDATED = "outdated"
    UNKNOWN = "unknown"
    OTHER_IMAGE = "other_image"


class DownloadPermissions:
    """The permissions of all devices."""

    def __init__(self) -> None:
        self._of_execution: dict[str, DownloadPermission] = {}
        self._current: dict[str, str] = {}  # execution by device
        self._images: dict[Image, Image] = {}

    def __len__(self) -> int:
        return len(self._of_execution)

    def apply(self, command: MqttCommand) -> None:
        """Apply a command; a query for a version changes nothing."""
        if isinstance(command, OfferFirmware):
            self._offer(command)
        elif isinstance(command, CloseDownload):
            self._close(command)

    def is_wanted(self, offer: OfferFirmware) -> bool:
        """Return whether an offer that was applied is neither closed, nor replaced by a later one, nor published.

        A scheduler that ends before it has committed its event commands the same once more, and the device may have
        updated meanwhile.
        """
        permission = self._offered(offer)
        return permission is not None and self.is_open(permission) and permission.published != offer.command_id

    def note_published(self, offer: OfferFirmware) -> None:
        """Note that the broker has acknowledged an offer."""
        permission = self._offered(offer)
        if permission is not None:
            permission.published = offer.command_id

    def is_open(self, permission: DownloadPermission) -> bool:
        """Return whether a permission is its device's newest and not closed; asked for every chunk that is sent."""
        current = self._current.get(permission.device_id)
        return (
            not permission.is_closed
            and current == permission.execution_id
            and self._of_execution.get(permission.execution_id) is permission
        )

    def check(self, token: ImageToken, now: float) -> DownloadPermission | DenyReason:
        """Return what a token permits, or why it permits nothing."""
        if now > token.not_after:
            return DenyReason.EXPIRED
        permission = self._of_execution.get(execution_id(token.task_id, token.device_id))
        if permission is None or permission.attempt < token.attempt:
            return DenyReason.UNKNOWN
        if permission.closed >= token.attempt:
            return DenyReason.CLOSED
        if permission.attempt != token.attempt or not self.is_open(permission):
            return DenyReason.OUTDATED
        if permission.image is None or permission.image.image_id != token.image_id:
            return DenyReason.OTHER_IMAGE
        return permission

    def prune(self, now: float) -> None:
        """Forget the permissions for which no token is good any more."""
        for execution in [e for e, p in self._of_execution.items() if p.not_after < now]:
            device_id = self._of_execution.pop(execution).device_id
            if self._current.get(device_id) == execution:
                del self._current[device_id]
        used = {permission.image for permission in self._of_execution.values()}
        self._images = {image: image for image in self._images if image in used}

    def _offered(self, offer: OfferFirmware) -> DownloadPermission | None:
        permission = self._of_execution.get(offer.execution_id)
        return permission if permission is not None and permission.attempt == offer.attempt else None

    def _offer(self, command: OfferFirmware) -> None:
        known = self._of_execution.get(command.execution_id)
        if known is not None and known.attempt >= command.attempt:
            known.not_after = max(known.not_after, command.not_after.timestamp())
            return
        self._of_execution[command.execution_id] = DownloadPermission(
            device_id=command.device_id,
            app_id=command.app_id,
            execution_id=command.execution_id,
            attempt=command.attempt,
            closed=-1 if known is None else known.closed,
            offered_at=command.at,
            not_after=command.not_after.timestamp(),
            image=self._image(command),
            is_one_based=command.one_based_ranges,
        )
        current = self._of_execution.get(self._current.get(command.device_id, ""))
        if current is None or current.offered_at <= command.at:
            self._current[command.device_id] = command.execution_id

    def _close(self, command: CloseDownload) -> None:
        known = self._of_execution.get(command.execution_id)
        if known is None:
            known = DownloadPermission(command.device_id, command.app_id, command.execution_id, command.attempt)
            self._of_execution[command.execution_id] = known
        known.closed = max(known.closed, command.attempt)
        known.not_after = max(known.not_after, command.at + _MAX_LIFETIME)

    def _image(self, command: OfferFirmware) -> Image:
        package = command.package
        image = Image(package.image_id, package.image_size, package.image_sha256)
        return self._images.setdefault(image, image)


def token_of(command: OfferFirmware) -> ImageToken:
    """Return the token of an offer, good for 24 hours at most (R099)."""
    task_id, _ = split_execution_id(command.execution_id)
    not_after = int(min(command.not_after.timestamp(), command.at + _MAX_LIFETIME))
    return ImageToken(command.device_id, task_id, command.package.image_id, command.attempt, not_after)
