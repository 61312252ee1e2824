"""Who calls for an app: credentials, each with scopes of its own."""

from datetime import datetime

from sluice_api.domain.access import ALL_SCOPES, Scope
from sluice_api.domain.models.base import Record


class Credential(Record, frozen=True, kw_only=True):
    """A client id and secret of an app (RFC 6749 §2.3.1).

    Attributes:
        client_id: Its id.
        app_id: The app that it calls for.
        name: For people.
        scopes: What it may do.
        secret_hash: SHA-256 of the secret (`sluice_api.domain.secrets`).
        created_by: Client id of who made it.
    """

    client_id: str
    app_id: str
    name: str
    scopes: frozenset[Scope]
    secret_hash: str
    created_at: datetime
    created_by: str


class CredentialFilter(Record, frozen=True, kw_only=True):
    """Which credentials to list; None means any."""

    name: str | None = None


class Principal(Record, frozen=True, kw_only=True):
    """For which app a client id calls, and what it may do there.

    Attributes:
        client_id: The client id.
        app_id: The app.
        scopes: What it may do.
        since: Seconds since 1970 before which its tokens were issued for a secret that was changed.
    """

    client_id: str
    app_id: str
    scopes: frozenset[Scope] = ALL_SCOPES
    since: float = 0.0
