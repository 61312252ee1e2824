"""`Idempotency-Key`: the same creation asked for twice creates once (draft-ietf-httpapi-idempotency-key-header).

A key is reserved together with the id that the new resource will have, so that a creation whose answer was lost with
its process is found again under that id.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Answer:
    """What was answered the first time.

    Attributes:
        fingerprint: What makes two requests the same.
        status: HTTP status.
        body: JSON.
        secret: Whether the body shows a secret: it is then sealed where it is kept.
    """

    fingerprint: str
    status: int
    body: bytes
    secret: bool = False


@dataclass(frozen=True)
class Reservation:
    """The right to create.

    Attributes:
        name: App, operation and key.
        resource_id: Id of what is created.
        resumed: Whether an earlier attempt may have created it.
        answer: What was answered already; then nothing is created.
    """

    name: str
    resource_id: str
    resumed: bool = False
    answer: Answer | None = None


class IdempotencyKeys(Protocol):
    """Reservations by key."""

    def require_sealing(self) -> None:
        """Check, before anything is created, that an answer with a secret can be kept.

        Raises:
            NoSealingKeyError: It cannot.
        """
        ...

    async def reserve(self, name: str, resource_id: str, now: datetime) -> Reservation:
        """Reserve a key, or find what was answered under it.

        Args:
            name: App, operation and key.
            resource_id: Id for the resource if the key is new.
            now: Now.

        Raises:
            InProgressError: Another request with this key is being worked on.
        """
        ...

    async def rename(self, reservation: Reservation, resource_id: str) -> Reservation:
        """Let a reservation name another resource, before that is created."""
        ...

    async def finish(self, reservation: Reservation, answer: Answer) -> None:
        """Remember the answer."""
        ...

    async def release(self, reservation: Reservation) -> None:
        """Forget the key: nothing was created."""
        ...
