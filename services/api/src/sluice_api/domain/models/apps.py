"""Apps, the tenants of the platform, and what they have posted to them."""

from datetime import datetime
from enum import StrEnum

from sluice_api.domain.models.base import Record


class App(Record, frozen=True, kw_only=True):
    """A tenant; its id is its OAuth2 client id.

    Attributes:
        secret_hash: scrypt hash of the client secret (`sluice_api.domain.secrets`).
        secret_since: When that was changed last; tokens from before are worth nothing.
        networks: Radio networks that its products may name, as first part of a cell's key (D02); at least one. Apps
            with devices in the same cells need the same name: by another one an app would have windows of its own.
    """

    app_id: str
    name: str
    secret_hash: str
    created_at: datetime
    secret_since: datetime | None = None
    networks: tuple[str, ...] = ("default",)

    @property
    def client_id(self) -> str:
        """Its OAuth2 client id."""
        return self.app_id


class AppChange(Record, frozen=True, kw_only=True):
    """What of an app changes; None leaves a field as it is."""

    name: str | None = None
    networks: tuple[str, ...] | None = None


class CallbackEvent(StrEnum):
    """What a subscription is about (R086, R151)."""

    RESULT = "execution_result"
    STATE_CHANGED = "execution_state_changed"


class Subscription(Record, frozen=True, kw_only=True):
    """What an app wants posted to it, and where.

    Attributes:
        callback_url: Where to post.
        secret: Secret that signs callbacks, sealed; None signs none.
        previous_secret: One that it is taking over from, sealed; it signs too.
        previous_until: Until when it does.
        given_up: Callbacks that were given up.
        last_failure: Why the last callback failed that did.
        last_failure_at: When that was noted.
        ended_at: When the receiver had said twice in a row that it is gone; nothing is posted since.
    """

    subscription_id: str
    app_id: str
    event: CallbackEvent
    callback_url: str
    secret: str | None
    created_at: datetime
    given_up: int = 0
    last_failure: str | None = None
    last_failure_at: datetime | None = None
    ended_at: datetime | None = None
    previous_secret: str | None = None
    previous_until: datetime | None = None

    @property
    def signed(self) -> bool:
        """Return whether callbacks carry a signature."""
        return self.secret is not None


class SubscriptionSecrets(Record, frozen=True, kw_only=True):
    """The secrets of a subscription; of the fields of its name."""

    secret: str
    previous_secret: str | None
    previous_until: datetime | None


class SubscriptionFilter(Record, frozen=True, kw_only=True):
    """Which subscriptions to list; None means any."""

    event: CallbackEvent | None = None
