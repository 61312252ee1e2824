"""Public keys of manufacturers: added, rotated, revoked and deleted.

Revoking changes the key at once, so that no new task can use a package of it. The rest is the relay's
(`application.relay.revocation`).
"""

from datetime import datetime

import structlog

from sluice_api.application.ports import ProductRepository, PublicKeyRepository
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import KeyStatus, PublicKey
from sluice_api.domain.public_keys import require_usable

_log = structlog.get_logger()
_MAX_ACTIVE = 32
"""Active keys of one manufacturer: each goes into the message of every upload and is tried by its verification."""
_USABLE = (KeyStatus.ACTIVE, KeyStatus.INACTIVE)
_NOT_REVOKED = (*_USABLE, KeyStatus.DELETING)


async def add_key(products: ProductRepository, keys: PublicKeyRepository, key: PublicKey) -> PublicKey:
    """Add a key.

    Raises:
        InvalidError: No product has its manufacturer (R051).
        ConflictError: The manufacturer has it already or too many, or it is revoked.
    """
    if not await products.has_manufacturer(key.app_id, key.manufacturer):
        raise InvalidError("manufacturer", "no product of this app has this manufacturer", "unknown_manufacturer")
    if await keys.is_revoked(key.app_id, key.fingerprint):
        require_usable(KeyStatus.REVOKED)
    if key.status is KeyStatus.ACTIVE:
        await _require_room(keys, key)
    await keys.add(key)
    return key


async def set_active(keys: PublicKeyRepository, app_id: str, key_id: str, *, active: bool) -> PublicKey:
    """Activate or deactivate a key; packages that it has verified stay verified.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It is revoked or being deleted, or its manufacturer has too many.
    """
    if active:
        await _require_room(keys, await keys.get(app_id, key_id))
    await keys.set_status(app_id, key_id, _USABLE, KeyStatus.ACTIVE if active else KeyStatus.INACTIVE)
    key = await keys.get(app_id, key_id)
    require_usable(key.status)
    return key


async def _require_room(keys: PublicKeyRepository, key: PublicKey) -> None:
    """Check that one more key may be active; of several at the same moment all may pass."""
    if await keys.has_other_active(key, _MAX_ACTIVE):
        detail = f"The manufacturer has {_MAX_ACTIVE} active keys; deactivate one first."
        raise ConflictError("too_many_keys", detail)


async def revoke_key(keys: PublicKeyRepository, app_id: str, key_id: str, why: str, at: datetime) -> PublicKey:
    """Revoke a key under every manufacturer of the app that has it; repeating it does the rest once more.

    Raises:
        NotFoundError: There is none of that id.
    """
    key = await keys.get(app_id, key_id)
    await keys.revoke(key, why, at)
    _log.warning("public_key_revoked", app_id=app_id, key_id=key_id, fingerprint=key.fingerprint)
    return await keys.get(app_id, key_id)


async def delete_key(keys: PublicKeyRepository, app_id: str, key_id: str) -> None:
    """Delete a key that has verified no package and is about to verify none; repeating it completes it.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It is revoked, or packages need it: they could not be revoked any more.
    """
    key = await keys.get(app_id, key_id)
    if key.status is KeyStatus.REVOKED:
        require_usable(key.status)
    await _require_unused(keys, key)
    await _close(keys, key)
    if not await keys.delete_closed(key_id):
        # Deleted by another request, or revoked, since.
        await keys.get(app_id, key_id)
        require_usable(KeyStatus.REVOKED)


async def _close(keys: PublicKeyRepository, key: PublicKey) -> None:
    """Let no package be verified by a key any more, then look once more for those that were.

    A package that is verified after this look finds the key DELETING or gone.
    """
    await keys.set_status(key.app_id, key.key_id, _NOT_REVOKED, KeyStatus.DELETING)
    try:
        await _require_unused(keys, key)
    except ConflictError:
        await keys.set_status(key.app_id, key.key_id, (KeyStatus.DELETING,), key.status)
        raise


async def _require_unused(keys: PublicKeyRepository, key: PublicKey) -> None:
    if await keys.is_in_use(key):
        detail = "The key has verified packages, or may be doing so; deactivate it, or delete them first."
        raise ConflictError("key_in_use", detail)
