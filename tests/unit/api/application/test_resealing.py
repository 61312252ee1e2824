from collections.abc import AsyncGenerator, Sequence

from sluice_api.application.resealing import Report, ResealedSecret, Resealing, SealedSecret
from sluice_common.sealing import Sealer

OLD, NEW, LOST = "o" * 32, "n" * 32, "l" * 32


class FakeStore:
    """Secrets by the id of their document."""

    place = "devices.psk"

    def __init__(self, secrets: dict[str, str]) -> None:
        self.secrets = secrets

    async def pages(self, page: int) -> AsyncGenerator[Sequence[SealedSecret], None]:
        found = [SealedSecret(*item) for item in self.secrets.items()]
        for first in range(0, len(found), page):
            yield found[first : first + page]

    async def replace(self, secrets: Sequence[ResealedSecret]) -> int:
        unchanged = [s for s in secrets if self.secrets[s.before.document_id] == s.before.sealed]
        self.secrets |= {s.before.document_id: s.sealed for s in unchanged}
        return len(unchanged)


async def resealed(store: FakeStore) -> Report:
    """Seal everything anew; return the last report."""
    reports = [report async for report in Resealing([store], Sealer([NEW, OLD]), page=2).run()]
    return reports[-1]


async def test_what_an_old_key_has_sealed_is_sealed_anew_and_opened_by_the_new_key_alone() -> None:
    store = FakeStore({str(n): Sealer([OLD]).seal(b"%d" % n) for n in range(5)})
    assert await resealed(store) == Report("devices.psk", resealed=5)
    assert [Sealer([NEW]).open(sealed) for sealed in store.secrets.values()] == [b"0", b"1", b"2", b"3", b"4"]


async def test_what_the_first_key_has_sealed_stays_as_it_is() -> None:
    sealed = Sealer([NEW]).seal(b"x")
    store = FakeStore({"a": sealed})
    assert await resealed(store) == Report("devices.psk", current=1)
    assert store.secrets == {"a": sealed}


async def test_what_no_key_opens_is_named_and_stays() -> None:
    lost = {f"lost{n}": Sealer([LOST]).seal(b"x") for n in range(12)}
    store = FakeStore(lost | {"a": Sealer([OLD]).seal(b"x")})
    report = await resealed(store)
    assert (report.resealed, report.unreadable, report.named) == (1, 12, tuple(f"lost{n}" for n in range(10)))
    assert {name: store.secrets[name] for name in lost} == lost
