"""How far a download is, and what is reported of it: the first byte, progress once an interval, and the last byte."""

from dataclasses import dataclass


@dataclass(slots=True)
class DownloadProgress:
    """What this replica has sent of an image in one attempt, and what it has reported of that.

    Attributes:
        reported_at: When progress was last reported, seconds since 1970.
        is_completed: Whether completion was reported, and no progress since.
        sent: Bytes sent without a gap from the first one on.
        separate_end: End of the last range sent that does not continue those bytes; -1 if there is none.
    """

    reported_at: float = 0.0
    is_completed: bool = False
    sent: int = 0
    separate_end: int = -1

    def mark_reported(self, now: float, interval: float) -> bool:
        """Note that progress is reported now, and return True; return False if the last report is too recent.

        Bytes sent after completion are progress, too: a device that fetches again lacks some, and may complete the
        image once more.

        Args:
            now: Seconds since 1970.
            interval: Seconds between two reports.
        """
        if now < self.reported_at + interval:
            return False
        self.reported_at = now
        self.is_completed = False
        return True

    def mark_completed(self) -> bool:
        """Note that completion is reported, and return True; return False if it was reported already."""
        if self.is_completed:
            return False
        self.is_completed = True
        return True

    def mark_sent(self, first: int, end: int) -> None:
        """Note that bytes `first` up to `end` were sent; only the device knows how many of them arrived."""
        if first <= self.sent:
            self.sent = max(self.sent, end)
        else:
            self.separate_end = end

    def is_rest(self, first: int, end: int, size: int) -> bool:
        """Return whether bytes `first` up to `end` are all that the device lacks of an image of `size` bytes.

        They are if they reach its end and everything before them was sent. Where another replica sent the beginning,
        a range that continues one of ours counts as well. A range up to the end that continues nothing does not: a
        client may look at the end of a file first.
        """
        return end == size and (first <= self.sent or first == self.separate_end)
