"""Products and the public keys of their manufacturers."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from sluice_api.application.ports.repository import Repository
from sluice_api.domain.models import KeyStatus, Product, ProductChange, ProductFilter, PublicKey, PublicKeyFilter
from sluice_common.messages.package_events import PublicKeyRef


class ProductRepository(Repository[Product, ProductFilter], Protocol):
    """The product models."""

    async def add(self, product: Product) -> None:
        """Store a product model.

        Raises:
            ConflictError: The app has one of this manufacturer and model.
        """
        ...

    async def change(self, app_id: str, product_id: str, change: ProductChange) -> Product:
        """Change a product model and return it as it is then.

        Raises:
            NotFoundError: The app has none of that id.
        """
        ...

    async def has_model(self, app_id: str, manufacturer: str, model: str) -> bool:
        """Return whether an app has a product of this manufacturer and model."""
        ...

    async def has_manufacturer(self, app_id: str, manufacturer: str) -> bool:
        """Return whether an app has a product of this manufacturer."""
        ...

    async def using_kind(self, app_id: str, product_id: str) -> str | None:
        """Return the name of a kind of things that refer to a product, None if there are none."""
        ...


class PublicKeyRepository(Repository[PublicKey, PublicKeyFilter], Protocol):
    """The public keys of manufacturers."""

    async def add(self, key: PublicKey) -> None:
        """Store a key.

        Raises:
            ConflictError: The manufacturer has it already.
        """
        ...

    async def active_of(self, app_id: str, manufacturer: str) -> tuple[PublicKeyRef, ...]:
        """Return the active keys that may have signed a package of a manufacturer (R053)."""
        ...

    async def status_of(self, key_id: str | None) -> KeyStatus | None:
        """Return the status of a key, None if it is not there."""
        ...

    async def is_revoked(self, app_id: str, fingerprint: str) -> bool:
        """Return whether an app has revoked a key, under any manufacturer."""
        ...

    async def has_other_active(self, key: PublicKey, count: int) -> bool:
        """Return whether a key's manufacturer has so many active keys beside it."""
        ...

    async def set_status(self, app_id: str, key_id: str, before: Collection[KeyStatus], after: KeyStatus) -> None:
        """Change the status of a key unless it is none of those before."""
        ...

    async def revoke(self, key: PublicKey, why: str, at: datetime) -> None:
        """Revoke a key under every manufacturer of its app, and have the relay end its use."""
        ...

    async def is_in_use(self, key: PublicKey) -> bool:
        """Return whether a key has verified a package, or one of its manufacturer is being verified."""
        ...

    async def delete_closed(self, key_id: str) -> bool:
        """Delete a key whose status is DELETING; return whether there was one."""
        ...
