"""What the signing service found of packages.

A key may be revoked or deleted while it verifies a package. So the outcome is stored first and the key looked at then:
who ends the key later finds the package by it.
"""

from typing import Any

from sluice_api.application.projector.ports import VerificationStore
from sluice_api.domain.models import Package, Rejection
from sluice_api.domain.packages import why_rejected
from sluice_api.domain.public_keys import why_unusable
from sluice_common.messages.package_events import PackageRejected, PackageVerified
from sluice_common.reasons import ReasonCode


class Verification:
    """Takes the outcome of a verification over into the package."""

    def __init__(self, store: VerificationStore) -> None:
        self._store = store

    async def take(self, message: Any) -> None:
        """Take one message; those that are no outcome are ignored, and so are repetitions."""
        if isinstance(message, PackageVerified):
            await self._take_verified(message)
        elif isinstance(message, PackageRejected):
            why = Rejection(code=message.code, message=message.message)
            await self._store.reject(message.package_id, why, message.occurred_at)

    async def _take_verified(self, message: PackageVerified) -> None:
        package = await self._store.package(message.package_id)
        if package is not None and (why := await self._why_rejected(package, message)) is not None:
            await self._store.reject(message.package_id, why, message.occurred_at)
        else:
            await self._store.accept(message)
        # The rest is done again when the message comes again: the process may have ended here before.
        if why_unusable(await self._store.status_of_key(message.key_id)) is ReasonCode.KEY_DELETED:
            # Nothing could ever revoke it.
            await self._store.reject_again(message.package_id, message.image_id)
        else:
            await self._store.look_at_key_again(message.key_id, message.occurred_at)
        if await self._store.image_of(message.package_id) != message.image_id:
            # Deleted meanwhile, verified twice, or rejected again: nobody will ask for this image.
            await self._store.delete_image(message.image_id)

    async def _why_rejected(self, package: Package, message: PackageVerified) -> Rejection | None:
        """Return why a package must not become what its signature allows; both outcomes change what waits alone."""
        product = await self._store.product(package.product_id)
        return why_rejected(package, product, await self._store.status_of_key(message.key_id), message.release)
