"""Who may download: those who hold the token of a current attempt (R098, R099)."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from sluice_common.ids import execution_id
from sluice_common.tokens import ImageToken, TokenSigner
from sluice_mqtt.application.open_downloads import OpenDownloads
from sluice_mqtt.domain.downloads import DownloadPermission, Image
from sluice_mqtt.domain.permissions import DenyReason, DownloadPermissions


class NotReadyError(Exception):
    """It is not known yet which attempts may download."""


class DownloadDeniedError(Exception):
    """The token permits no such download; the text says why."""


class DownloadAccess:
    """Checks the tokens of downloads."""

    def __init__(
        self,
        permissions: DownloadPermissions,
        signer: TokenSigner,
        open_downloads: OpenDownloads,
        *,
        offer_wait: float,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            permissions: Which attempts may download.
            signer: Checks signatures.
            open_downloads: Tell when an offer is read, and which images are revoked.
            offer_wait: Seconds to wait for an offer that this replica has not read yet.
            clock: Seconds since 1970.
        """
        self._permissions = permissions
        self._signer = signer
        self._open_downloads = open_downloads
        self._offer_wait = offer_wait
        self._clock = clock

    async def authorize(
        self, token: str, device_id: str, task_id: str, attempt: str
    ) -> tuple[DownloadPermission, Image]:
        """Return what a token permits for this attempt of this device, and the image.

        Raises:
            InvalidTokenError: It is no token of this platform.
            DownloadDeniedError: It is for another download, its attempt is over, or its image is revoked.
            NotReadyError: This replica has started and still reads which attempts may download.
        """
        verified = self._signer.verify(token)
        if (device_id, task_id, attempt) != (verified.device_id, verified.task_id, str(verified.attempt)):
            raise DownloadDeniedError("the token is for another download")
        verdict = await self._check(verified)
        if isinstance(verdict, DenyReason):
            raise DownloadDeniedError(verdict.value)
        if verdict.image is None or not self._open_downloads.is_open(verdict, verdict.image):
            raise DownloadDeniedError("revoked")
        return verdict, verdict.image

    async def _check(self, token: ImageToken) -> DownloadPermission | DenyReason:
        """Check a token, again after each command for its execution while its offer may be on its way here."""
        verdict: DownloadPermission | DenyReason = DenyReason.UNKNOWN
        with suppress(TimeoutError):
            async with asyncio.timeout(self._offer_wait):
                await self._open_downloads.has_read.wait()
                while (verdict := self._permissions.check(token, self._clock())) is DenyReason.UNKNOWN:
                    await self._open_downloads.wait_changed(execution_id(token.task_id, token.device_id))
        if not self._open_downloads.has_read.is_set():
            raise NotReadyError("the commands are not read yet")
        return verdict
