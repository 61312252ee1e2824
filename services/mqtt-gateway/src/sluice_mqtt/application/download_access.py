"""Who may download: those who hold the token of a current attempt (R098, R099)."""

import asyncio
from collections.abc import Callable, Container

from sluice_common.tokens import ImageToken, TokenSigner
from sluice_mqtt.domain.downloads import DownloadPermission, Image
from sluice_mqtt.domain.permissions import DenyReason, DownloadPermissions

_POLL = 0.05


class DownloadDeniedError(Exception):
    """The token permits no such download; the text says why."""


class DownloadAccess:
    """Checks the tokens of downloads."""

    def __init__(
        self,
        permissions: DownloadPermissions,
        signer: TokenSigner,
        *,
        revoked: Container[str],
        offer_wait: float,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            permissions: Which attempts may download.
            signer: Checks signatures.
            revoked: Ids of images that must not be served.
            offer_wait: Seconds to wait for an offer that this replica has not read yet.
            clock: Seconds since 1970.
        """
        self._permissions = permissions
        self._signer = signer
        self._revoked = revoked
        self._offer_wait = offer_wait
        self._clock = clock

    async def authorize(
        self, token: str, device_id: str, task_id: str, attempt: str
    ) -> tuple[DownloadPermission, Image]:
        """Return what a token permits for this attempt of this device, and the image.

        Raises:
            InvalidTokenError: It is no token of this platform.
            DownloadDeniedError: It is for another download, its attempt is over, or its image is revoked.
        """
        verified = self._signer.verify(token)
        if (device_id, task_id, attempt) != (verified.device_id, verified.task_id, str(verified.attempt)):
            raise DownloadDeniedError("the token is for another download")
        verdict = await self._check(verified)
        if isinstance(verdict, DenyReason):
            raise DownloadDeniedError(verdict.value)
        if verdict.image is None or self._is_revoked(verdict.image):
            raise DownloadDeniedError("revoked")
        return verdict, verdict.image

    def is_open(self, permission: DownloadPermission, image: Image) -> bool:
        """Return whether a download may go on; asked for every chunk, so that a closed attempt ends within one."""
        return self._permissions.is_open(permission) and not self._is_revoked(image)

    def _is_revoked(self, image: Image) -> bool:
        return image.image_id in self._revoked

    async def _check(self, token: ImageToken) -> DownloadPermission | DenyReason:
        """Check a token, again and again while its offer may be on its way to this replica."""
        verdict = self._permissions.check(token, self._clock())
        waited = 0.0
        while verdict is DenyReason.UNKNOWN and waited < self._offer_wait:
            await asyncio.sleep(_POLL)
            waited += _POLL
            verdict = self._permissions.check(token, self._clock())
        return verdict
