"""Enumerations that grow from version to version: a member that this version does not know keeps its text.

Two versions run side by side during an upgrade and after a roll-back. A status, step or reason that only the newer one
knows must pass through the older one unchanged (ADR 0023).
"""

from enum import StrEnum
from typing import Self

_LONGEST = 64
"""Characters of a member; longer texts are none, so that nobody stores what it likes as a status."""


class OpenStrEnum(StrEnum):
    """A text enumeration that takes members of newer versions: equal by their text, absent from iteration.

    Compare with `==` where both sides may be unknown: `is` holds for known members only.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    @property
    def is_known(self) -> bool:
        """Return whether this version knows the member."""
        return self.value in type(self)._value2member_map_
