"""Apps and their subscriptions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sluice_api.application.ports.repository import Repository
from sluice_api.domain.models import App, AppChange, Page, Subscription, SubscriptionFilter, SubscriptionSecrets


class AppRepository(Protocol):
    """The apps."""

    async def put(self, app: App) -> None:
        """Store an app, or another in its place."""
        ...

    async def add(self, app: App) -> bool:
        """Store an app unless there is one of its id; return whether it was stored."""
        ...

    async def set_secret_hash(self, app_id: str, secret_hash: str, at: datetime) -> None:
        """Give an app another secret."""
        ...

    async def change(self, app_id: str, change: AppChange) -> App:
        """Change an app and return it as it is then.

        Raises:
            NotFoundError: There is none of that id.
        """
        ...

    async def endpoint_prefixes(self, app_id: str) -> Sequence[str]:
        """Return the prefixes of endpoint client names that are bound to an app, in their order."""
        ...

    async def bind(self, app_id: str, prefixes: Sequence[str]) -> None:
        """Bind endpoint client names that begin so to an app, and no others.

        Raises:
            ConflictError: One is bound to another app; those before it are bound to this one.
        """
        ...

    async def find(self, app_id: str) -> App | None:
        """Return an app, None if there is none of that id."""
        ...

    async def get(self, app_id: str) -> App:
        """Return an app.

        Raises:
            NotFoundError: There is none of that id.
        """
        ...

    async def page(self, name: str | None, limit: int, after: str | None) -> Page[App]:
        """Return one page of all apps, or of those of a name.

        Raises:
            InvalidError: `after` is no cursor.
        """
        ...

    async def owned_kind(self, app_id: str) -> str | None:
        """Return the name of a kind of things of which an app still owns some, None if it owns nothing."""
        ...

    async def delete(self, app_id: str) -> None:
        """Delete an app if it is there."""
        ...


class SubscriptionRepository(Repository[Subscription, SubscriptionFilter], Protocol):
    """The subscriptions; deleting one gives up what waits to be delivered to it."""

    async def count(self, app_id: str) -> int:
        """Return how many the app has."""
        ...

    async def add(self, subscription: Subscription) -> None:
        """Store a subscription.

        Raises:
            ConflictError: It exists already.
        """
        ...

    async def change_secrets(self, app_id: str, identifier: str, secrets: SubscriptionSecrets) -> Subscription:
        """Store what signs the callbacks of a subscription; return it as it is then.

        Raises:
            NotFoundError: There is none of that id.
        """
        ...
