"""Dead letters: looked at, and replayed when what was wrong with their consumer is right."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from sluice_api.domain.dead_letters import (
    FiledLetter,
    Letter,
    ReplayState,
    Selection,
    filed_letters,
    note_of,
    why_not_replayable,
)
from sluice_common.messages.dead_letters import DeadLetter


class LetterLog(Protocol):
    """The topic `dead-letters`."""

    async def letters(self) -> Sequence[Letter]:
        """Return all that it holds now."""
        ...

    async def add(self, letter: DeadLetter) -> None:
        """Put one there; return when Kafka has it."""
        ...


class SourceTopics(Protocol):
    """The topics that letters came from."""

    async def has_newer(self, letter: Letter) -> bool:
        """Return whether something came under a letter's key after it, in a topic that keeps the newest of each key."""
        ...

    async def send_again(self, letter: Letter) -> None:
        """Put a letter's record behind all others of its partition, under the same key; return when Kafka has it."""
        ...


class Replay(msgspec.Struct, frozen=True):
    """What became of one letter.

    Attributes:
        letter: The letter.
        why_not: Why it was not replayed; None if it was.
    """

    letter: Letter
    why_not: str | None = None


class DeadLetters:
    """What people do with dead letters."""

    def __init__(self, log: LetterLog, sources: SourceTopics, now: Callable[[], datetime]) -> None:
        self._log = log
        self._sources = sources
        self._now = now

    async def list(self, wanted: Selection) -> list[FiledLetter]:
        """Return those that are meant, oldest first."""
        return [filed for filed in filed_letters(await self._log.letters()) if wanted.has(filed)]

    async def replay(self, chosen: Sequence[FiledLetter], *, again: bool) -> AsyncIterator[Replay]:
        """Replay letters one after the other, and say what became of each.

        That one is being replayed is written first: if this ends before Kafka has confirmed the record, it may be
        there, and is not replayed once more by accident.

        Args:
            chosen: As they were listed.
            again: Whether those count that were replayed before, or may have been.
        """
        for filed in chosen:
            why_not = await self._why_not(filed, again=again)
            if why_not is None:
                await self._log.add(note_of(filed.letter, ReplayState.BEGUN, self._now()))
                await self._sources.send_again(filed.letter)
                await self._log.add(note_of(filed.letter, ReplayState.REPLAYED, self._now()))
            yield Replay(filed.letter, why_not)

    async def _why_not(self, filed: FiledLetter, *, again: bool) -> str | None:
        if filed.state is not ReplayState.NEW and not again:
            return f"{filed.state.value} before"
        if (why := why_not_replayable(filed.letter)) is not None:
            return why
        if await self._sources.has_newer(filed.letter):
            # Readers that come later would find the old one last, and the newer one might be gone.
            return "something newer has come under its key"
        return None
