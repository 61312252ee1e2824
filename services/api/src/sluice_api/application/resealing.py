"""Key rotation of secrets at rest: everything that is sealed, sealed anew with the first key."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sluice_common.sealing import CannotOpenError, Sealer

_NAMED = 10
"""Most documents that a report names."""


class SealedSecret(NamedTuple):
    """A secret as it is stored: the id of its document, and its sealed text."""

    document_id: str
    sealed: str


class ResealedSecret(NamedTuple):
    """A secret that was sealed anew."""

    before: SealedSecret
    sealed: str


class SecretStore(Protocol):
    """The secrets of one place: a field of a collection."""

    @property
    def place(self) -> str:
        """`collection.field`."""
        ...

    def pages(self, page: int) -> AsyncGenerator[Sequence[SealedSecret], None]:
        """Yield all secrets, page by page."""
        ...

    async def replace(self, secrets: Sequence[ResealedSecret]) -> int:
        """Replace secrets, but for those that were renewed meanwhile; return how many were replaced."""
        ...


@dataclass
class Report:
    """What became of the secrets of one place so far.

    Attributes:
        place: `collection.field`.
        resealed: Secrets that have been sealed anew.
        current: Secrets that the first key had sealed already.
        unreadable: Secrets that no key opens.
        named: Ids of the first of those.
    """

    place: str
    resealed: int = 0
    current: int = 0
    unreadable: int = 0
    named: tuple[str, ...] = ()


class Resealing:
    """Seals page by page; interrupted or repeated, it goes on with what the first key has not sealed.

    Args:
        stores: Every place that holds sealed secrets.
        sealer: With the new key first and the old ones after it.
        page: Secrets of a page.
    """

    def __init__(self, stores: Sequence[SecretStore], sealer: Sealer, page: int) -> None:
        self._stores = stores
        self._sealer = sealer
        self._page = page

    async def run(self) -> AsyncIterator[Report]:
        """Yield the state of each place after every page, and at its end.

        Raises:
            NoSealingKeyError: There is no key.
        """
        for store in self._stores:
            report = Report(store.place)
            async for secrets in store.pages(self._page):
                if resealed := self._reseal(secrets, report):
                    report.resealed += await store.replace(resealed)
                yield report
            yield report

    def _reseal(self, secrets: Sequence[SealedSecret], report: Report) -> list[ResealedSecret]:
        """Return those that the first key has not sealed, sealed by it; count the others."""
        resealed = []
        for secret in secrets:
            if self._sealer.is_current(secret.sealed):
                report.current += 1
                continue
            try:
                resealed.append(ResealedSecret(secret, self._sealer.seal(self._sealer.open(secret.sealed))))
            except CannotOpenError:
                report.unreadable += 1
                report.named = (*report.named, secret.document_id)[:_NAMED]
        return resealed
