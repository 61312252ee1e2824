from collections.abc import Sequence

import pytest
from tests.unit.api.domain.test_dead_letters import AT, letter

from sluice_api.application.dead_letters import DeadLetters
from sluice_api.domain.dead_letters import FiledLetter, Letter, ReplayState, Selection
from sluice_common.messages.dead_letters import DeadLetter

ALL = Selection(replayed=True)


class FakeKafka:
    """The letters, and what was sent to their topics; it may take no record."""

    def __init__(self, *letters: Letter) -> None:
        self.log = list(letters)
        self.sent: list[Letter] = []
        self.overtaken: set[str] = set()
        self.is_away = False

    async def letters(self) -> Sequence[Letter]:
        """Return all."""
        return list(self.log)

    async def add(self, added: DeadLetter) -> None:
        """Put one behind all others."""
        self.log.append(Letter(partition=added.partition, offset=len(self.log), content=added))

    async def has_newer(self, of: Letter) -> bool:
        """Return whether the test says so."""
        return of.letter_id in self.overtaken

    async def send_again(self, sent: Letter) -> None:
        """Note it."""
        if self.is_away:
            raise ConnectionError
        self.sent.append(sent)


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka(letter(0), letter(1))


@pytest.fixture
def letters(kafka: FakeKafka) -> DeadLetters:
    return DeadLetters(kafka, kafka, lambda: AT)


async def replayed(letters: DeadLetters, chosen: Sequence[FiledLetter], *, again: bool = False) -> list[str | None]:
    return [replay.why_not async for replay in letters.replay(chosen, again=again)]


async def test_a_replayed_letter_is_sent_and_says_so_from_then_on(letters: DeadLetters, kafka: FakeKafka) -> None:
    chosen = await letters.list(Selection(ids=frozenset(("0-0",))))
    assert await replayed(letters, chosen) == [None]
    assert [sent.letter_id for sent in kafka.sent] == ["0-0"]
    assert [f.state.value for f in await letters.list(ALL)] == ["replayed", "new"]


async def test_nothing_is_replayed_twice_unless_that_is_asked_for(letters: DeadLetters, kafka: FakeKafka) -> None:
    await replayed(letters, await letters.list(ALL))
    chosen = await letters.list(ALL)
    assert await replayed(letters, chosen) == ["replayed before"] * 2
    assert len(kafka.sent) == 2
    assert await replayed(letters, chosen, again=True) == [None, None]
    assert len(kafka.sent) == 4


async def test_a_replay_that_kafka_did_not_confirm_is_not_repeated_by_accident(
    letters: DeadLetters, kafka: FakeKafka
) -> None:
    kafka.is_away = True
    chosen = await letters.list(Selection(ids=frozenset(("0-0",))))
    with pytest.raises(ConnectionError):
        await replayed(letters, chosen)
    kafka.is_away = False
    (found, _) = await letters.list(ALL)
    assert found.state is ReplayState.BEGUN
    assert await replayed(letters, [found]) == ["replay begun before"]
    assert kafka.sent == []


async def test_what_something_newer_has_overtaken_is_not_replayed_over_it(
    letters: DeadLetters, kafka: FakeKafka
) -> None:
    kafka.overtaken.add("0-0")
    assert await replayed(letters, await letters.list(ALL)) == ["something newer has come under its key", None]
    assert [sent.letter_id for sent in kafka.sent] == ["0-1"]
