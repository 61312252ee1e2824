"""Dead letters as people look at them: which there are, which were replayed, and which can be.

That a letter is replayed stands in `dead-letters` itself, as a letter about a letter: its source is that topic, and its
partition and offset are those of the letter. So it is kept for as long, and everybody who reads the topic sees it.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from sluice_common.messages.dead_letters import DeadLetter
from sluice_common.topics import ALL_TOPICS, DEAD_LETTERS, MAX_MESSAGE_BYTES, Topic

_CUT = re.compile(r"\(the first \d+ of \d+ bytes\)$")
_BY_NAME = {topic.name: topic for topic in ALL_TOPICS}


class ReplayState(StrEnum):
    """What became of a letter; the values are the reasons of the letters that say so.

    `begun` without `replayed` means that nobody knows whether Kafka has taken it.
    """

    NEW = "new"
    BEGUN = "replay begun"
    REPLAYED = "replayed"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter at its place in `dead-letters`."""

    partition: int
    offset: int
    content: DeadLetter

    @property
    def letter_id(self) -> str:
        """The name by which people choose it."""
        return f"{self.partition}-{self.offset}"

    @property
    def is_note(self) -> bool:
        """Return whether it only tells of another letter."""
        return self.content.source_topic == DEAD_LETTERS.name

    @property
    def topic(self) -> Topic | None:
        """Where it came from; None if that is no topic of ours."""
        return None if self.is_note else _BY_NAME.get(self.content.source_topic)


class FiledLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter with what became of it."""

    letter: Letter
    state: ReplayState = ReplayState.NEW
    state_at: datetime | None = None


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters are meant; what is None or empty does not matter.

    Attributes:
        ids: Their names.
        topic: Where they came from.
        reason: Text that the reason contains.
        replayed: Whether those count that were replayed, or may have been.
    """

    ids: frozenset[str] = frozenset()
    topic: str | None = None
    reason: str | None = None
    replayed: bool = False

    def has(self, filed: FiledLetter) -> bool:
        """Return whether a letter is meant."""
        letter = filed.letter
        return (
            (not self.ids or letter.letter_id in self.ids)
            and (self.topic is None or letter.content.source_topic == self.topic)
            and (self.reason is None or self.reason in letter.content.reason)
            and (self.replayed or filed.state is ReplayState.NEW)
        )


def filed_letters(letters: Iterable[Letter]) -> list[FiledLetter]:
    """Return the letters, oldest first, each with the last that is told of it."""
    found: dict[str, FiledLetter] = {}
    notes: list[Letter] = []
    for letter in letters:
        if letter.is_note:
            notes.append(letter)
        else:
            found[letter.letter_id] = FiledLetter(letter=letter)
    for note in sorted(notes, key=lambda n: (n.partition, n.offset)):
        subject = f"{note.content.partition}-{note.content.offset}"
        if (filed := found.get(subject)) is not None:
            state = ReplayState(note.content.reason)
            found[subject] = msgspec.structs.replace(filed, state=state, state_at=note.content.occurred_at)
    return sorted(found.values(), key=lambda f: (f.letter.content.occurred_at, f.letter.letter_id))


def note_of(letter: Letter, state: ReplayState, at: datetime) -> DeadLetter:
    """Return the letter that tells of a letter."""
    return DeadLetter(
        source_topic=DEAD_LETTERS.name,
        partition=letter.partition,
        offset=letter.offset,
        reason=state.value,
        key=None,
        value=None,
        occurred_at=at,
    )


def why_not_replayable(letter: Letter) -> str | None:
    """Return why a letter can never be replayed, None if it can."""
    content = letter.content
    if letter.topic is None:
        return f"{content.source_topic} is no topic of this system"
    if content.offset < 0:
        return "it was never in Kafka"
    if _CUT.search(content.reason):
        return "only its beginning was kept"
    if len(content.value or b"") > MAX_MESSAGE_BYTES:
        return f"it is larger than {MAX_MESSAGE_BYTES} bytes"
    return None
