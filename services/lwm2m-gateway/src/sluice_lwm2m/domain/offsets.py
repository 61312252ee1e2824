"""Which commands are done: the offset up to which a restart need not read again."""


class Offsets:
    """Offsets of one partition that are being worked on.

    They begin in ascending order and end in any.
    """

    def __init__(self, position: int) -> None:
        self._next = position
        self._open: dict[int, None] = {}  # in order of insertion: the first is the lowest

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, offset: int) -> None:
        """Note that a command is being worked on."""
        self._open[offset] = None
        self._next = offset + 1

    def done(self, offset: int) -> None:
        """Note that a command is answered."""
        self._open.pop(offset, None)

    @property
    def committable(self) -> int:
        """The lowest offset that is not done."""
        return next(iter(self._open), self._next)
