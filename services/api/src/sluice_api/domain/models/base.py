"""What all records have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

Item_co = TypeVar("Item_co", covariant=True)


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all records, and of the values inside them.

    A field with a default may be absent where a record is stored: it came with a later version, or does not apply.
    """


@dataclass(frozen=True, slots=True)
class Page(Generic[Item_co]):
    """Part of a list, in the order of creation.

    Attributes:
        items: The records.
        next: Cursor of the next page, None at the end.
    """

    items: Sequence[Item_co]
    next: str | None
