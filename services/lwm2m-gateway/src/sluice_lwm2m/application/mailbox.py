"""A mailbox per device: Register, Update, notification, command, expiry and close are worked on one after the other.

What has come for a device is worked on in turns, in the order in which it came. What belongs to a message (attempt,
address, time) is taken when it is received; what is remembered of it, when Kafka has it. A turn waits for Kafka, never
for the device or for another turn: while a request is in flight other messages have theirs, for a device may want its
notification acknowledged before it answers.

A mailbox is a queue of waiters that exists only while somebody waits: a turn that nobody disputes costs two accesses to
a dictionary, and a device at rest no memory.
"""

import asyncio
from collections import deque
from types import TracebackType

from sluice_lwm2m.application.ports import UnansweredError

_MAX_WAITING = 8
"""Messages of one device that wait; it has one request outstanding at a time (NSTART, RFC 7252 §4.7)."""


class MailboxFullError(UnansweredError):
    """Too much of one device waits: the message is dropped, and the device repeats it."""


class Mailbox:
    """The mailboxes of all devices."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def work_for(self, device_id: str) -> "Work":
        """Return a turn of a device, for what the platform does; it begins with `async with`."""
        return Work(self._waiting, device_id)

    def work_on_message_of(self, device_id: str) -> "Work":
        """Return a turn of a device for a message of its own.

        Raises:
            MailboxFullError: Too many wait.
        """
        waiting = self._waiting.get(device_id)
        if waiting is not None and len(waiting) >= _MAX_WAITING:
            raise MailboxFullError(device_id)
        return Work(self._waiting, device_id)


class Work:
    """The right to work for a device alone."""

    __slots__ = ("_device_id", "_waiting")

    def __init__(self, waiting: dict[str, deque[asyncio.Future[None]]], device_id: str) -> None:
        self._waiting = waiting
        self._device_id = device_id

    async def __aenter__(self) -> None:
        """Wait for those who came before."""
        queue = self._waiting.get(self._device_id)
        if queue is None:
            self._waiting[self._device_id] = deque()
            return
        mine = asyncio.get_running_loop().create_future()
        queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it was mine already
                self._pass_on()
            elif mine in queue:  # else it was passed over
                queue.remove(mine)
            raise

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Let the next one begin."""
        self._pass_on()

    def _pass_on(self) -> None:
        queue = self._waiting[self._device_id]
        while queue:
            following = queue.popleft()
            if not following.done():
                following.set_result(None)
                return
        del self._waiting[self._device_id]
