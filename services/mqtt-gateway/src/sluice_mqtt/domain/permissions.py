"""Which attempt of which device may download, as told by `mqtt-commands` (R097–R099).

Every replica reads the whole topic, so that each can tell an attempt that is closed or was followed by another.
Commands may come twice and a repeated one changes nothing: an attempt that was closed stays closed, and an offer gives
way only to one that was made later. It leaves out the token's signature.
"""

from dataclasses import dataclass
from enum import StrEnum

from sluice_common.ids import execution_id, split_execution_id
from sluice_common.messages.mqtt_commands import CloseDownload, MqttCommand, OfferFirmware
from sluice_common.tokens import ImageToken

_LONGEST = 86_400.0
"""Seconds that any token is good for (R099)."""


class Refusal(StrEnum):
    """Why a token gives no right; `unknown` may become known: the offer may not have been read yet."""

    EXPIRED = "expired"
    CLOSED = "closed"
    OUTDATED = "outdated"
    UNKNOWN = "unknown"
    OTHER_IMAGE = "other_image"


@dataclass(frozen=True, slots=True)
class Image:
    """What is downloaded; one object for all devices that do."""

    image_id: str
    size: int
    sha256: str

    @property
    def etag(self) -> str:
        """Its strong validator (RFC 9110 §8.8.3)."""
        return f'"{self.sha256}"'


@dataclass(slots=True)
class Right:
    """What is known of the newest attempt of an execution.

    Attributes:
        device_id: The device.
        app_id: Its app.
        execution_id: The execution.
        attempt: The newest attempt that was offered.
        closed: The highest attempt that was closed.
        offered_at: When its offer was made, seconds since 1970.
        not_after: When nothing of it matters any more.
        image: What it may download; None if only its end is known.
        is_one_based: The product counts ranges from 1 (D13), and no request has shown otherwise.
        told_at: When progress of its download was last told.
        is_complete: Whether it was told that all was served, and nothing since.
        served: Bytes from the first on that were sent.
        served_elsewhere: Where the last range that does not go on from those ended; -1 if there is none.
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
    told_at: float = 0.0
    is_complete: bool = False
    served: int = 0
    served_elsewhere: int = -1

    @property
    def is_closed(self) -> bool:
        """Return whether nothing more is served."""
        return self.closed >= self.attempt


class Rights:
    """The rights of all devices."""

    def __init__(self) -> None:
        self._of_execution: dict[str, Right] = {}
        self._current: dict[str, str] = {}
        self._images: dict[Image, Image] = {}

    def __len__(self) -> int:
        return len(self._of_execution)

    def take(self, command: MqttCommand) -> None:
        """Learn from a command."""
        if isinstance(command, OfferFirmware):
            self._offer(command)
        elif isinstance(command, CloseDownload):
            self._close(command)

    def allows(self, command: OfferFirmware) -> bool:
        """Return whether an offer that was taken is still the one that counts."""
        right = self._of_execution.get(command.execution_id)
        return right is not None and right.attempt == command.attempt and self.is_open(right)

    def is_open(self, right: Right) -> bool:
        """Return whether a right is its device's newest and not closed; asked again and again while bytes flow."""
        current = self._current.get(right.device_id)
        return (
            not right.is_closed
            and current == right.execution_id
            and self._of_execution.get(right.execution_id) is right
        )

    def judge(self, token: ImageToken, now: float) -> Right | Refusal:
        """Return the right that a token gives, or why it gives none."""
        if now > token.not_after:
            return Refusal.EXPIRED
        right = self._of_execution.get(execution_id(token.task_id, token.device_id))
        if right is None or right.attempt < token.attempt:
            return Refusal.UNKNOWN
        if right.closed >= token.attempt:
            return Refusal.CLOSED
        if right.attempt != token.attempt or not self.is_open(right):
            return Refusal.OUTDATED
        if right.image is None or right.image.image_id != token.image_id:
            return Refusal.OTHER_IMAGE
        return right

    def prune(self, now: float) -> None:
        """Forget what no token can name any more."""
        for execution in [e for e, r in self._of_execution.items() if r.not_after < now]:
            device_id = self._of_execution.pop(execution).device_id
            if self._current.get(device_id) == execution:
                del self._current[device_id]
        used = {right.image for right in self._of_execution.values()}
        self._images = {image: image for image in self._images if image in used}

    def _offer(self, command: OfferFirmware) -> None:
        known = self._of_execution.get(command.execution_id)
        if known is not None and known.attempt >= command.attempt:
            known.not_after = max(known.not_after, command.not_after.timestamp())
            return
        self._of_execution[command.execution_id] = Right(
            device_id=command.device_id,
            app_id=command.app_id,
            execution_id=command.execution_id,
            attempt=command.attempt,
            closed=-1 if known is None else known.closed,
            offered_at=command.at,
            not_after=command.not_after.timestamp(),
            image=self._image(command),
            is_one_based=command.one_based_ranges,
        )
        current = self._of_execution.get(self._current.get(command.device_id, ""))
        if current is None or current.offered_at <= command.at:
            self._current[command.device_id] = command.execution_id

    def _close(self, command: CloseDownload) -> None:
        known = self._of_execution.get(command.execution_id)
        if known is None:
            known = Right(command.device_id, command.app_id, command.execution_id, command.attempt)
            self._of_execution[command.execution_id] = known
        known.closed = max(known.closed, command.attempt)
        known.not_after = max(known.not_after, command.at + _LONGEST)

    def _image(self, command: OfferFirmware) -> Image:
        package = command.package
        image = Image(package.image_id, package.image_size, package.image_sha256)
        return self._images.setdefault(image, image)


def token_of(command: OfferFirmware) -> ImageToken:
    """Return the token of an offer, good for 24 hours at most (R099)."""
    task_id, _ = split_execution_id(command.execution_id)
    not_after = int(min(command.not_after.timestamp(), command.at + _LONGEST))
    return ImageToken(command.device_id, task_id, command.package.image_id, command.attempt, not_after)
