"""What a device may download, and how far it is."""

from dataclasses import dataclass, field

from sluice_mqtt.domain.progress import DownloadProgress

_ETAG_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Image:
    """What is downloaded; all permissions for an image share one object."""

    image_id: str
    size: int
    sha256: str

    @property
    def etag(self) -> str:
        """The strong validator, without quotes: a path names an attempt, which has one image, so 48 bits will do."""
        return self.sha256[:_ETAG_DIGITS]


@dataclass(slots=True)
class DownloadPermission:
    """What the newest attempt of an execution may download.

    Attributes:
        device_id: The device.
        app_id: Its app.
        execution_id: The execution.
        attempt: The newest attempt that was offered.
        closed: The highest attempt that was closed.
        offered_at: When its offer was made, seconds since 1970.
        not_after: When no token for it can be good any more.
        image: What it may download; None if this replica has read its closing but not its offer.
        is_one_based: The product counts ranges from 1 (D13), and no request has shown otherwise.
        progress: How far the download is.
        published: Command whose offer the broker has acknowledged to this replica; empty before.
    """

    device_id: str
    app_id: str
    execution_id: str
    attempt: int
    closed: int = -1
    offered_at: float = 0.0
    not_after: float = 0.0
    image: Image | None = None
    is_one_based: bool = False
    progress: DownloadProgress = field(default_factory=DownloadProgress)
    published: str = ""

    @property
    def is_closed(self) -> bool:
        """Return whether the newest attempt was closed: its image is served no more."""
        return self.closed >= self.attempt
