"""A mailbox for each device: what it reports and what the broker says of it become events one after the other.

What waits while a device is looked up or while Kafka takes the events before it goes to Kafka together, in its order.
So no failure of either turns two words of a device round, and a device that says much costs no more waits than one
that says little. What the broker will deliver again is not kept when its delivery is given up: it may come to another
gateway, and whatever is published of it here, hours later, would be taken for news.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sluice_common.messages.base import Message
from sluice_mqtt.application.ports import DeviceEvents, Devices
from sluice_mqtt.domain.device import KnownDevice

Say = Callable[[KnownDevice], Sequence[Message]]
"""Returns the events that something becomes, always the same: what depends on the moment was taken at its receipt."""


@dataclass(slots=True, eq=False)
class _Letter:
    """What is to be published; `answer` tells who waits whether the device is known, or (None) that it is next.

    `left` is what of it is published though who has handed it over is cancelled.
    """

    say: Say
    left: Say | None
    answer: asyncio.Future[bool | None] | None = None

    def give_up(self) -> None:
        """Leave what will not come again."""
        self.say = self.left or _nothing


def _nothing(_: KnownDevice) -> Sequence[Message]:
    return ()


class Mailboxes:
    """Publishes the events of all devices."""

    def __init__(self, devices: Devices, events: DeviceEvents) -> None:
        """Prepare.

        Args:
            devices: For the apps that devices belong to.
            events: Where events are published.
        """
        self._devices = devices
        self._events = events
        self._waiting: dict[str, list[_Letter]] = {}  # of the devices for which something is being published
        self._left: dict[str, list[_Letter]] = {}  # by those who were cancelled, while nobody else is there

    async def publish(self, device_id: str, say: Say, *, left: Say | None) -> bool:
        """Return when Kafka has the events, and all that were handed over before for this device.

        Args:
            device_id: The device.
            say: The events.
            left: Those that do not come again if this is cancelled: they are published with the next of the device.

        Returns:
            False if the platform does not know the device, and nothing is published.
        """
        waiting = self._waiting.get(device_id)
        if waiting is None:
            self._waiting[device_id] = []
            own = _Letter(say, left)
            return await self._publish(device_id, [*self._left.pop(device_id, ()), own], own)
        own = _Letter(say, left, asyncio.get_running_loop().create_future())
        waiting.append(own)
        is_known = await self._wait(device_id, own)
        if is_known is not None:
            return is_known
        letters, self._waiting[device_id] = self._waiting[device_id], []
        return await self._publish(device_id, letters, own)

    def is_publishing(self, device_id: str) -> bool:
        """Return whether something of a device is on its way to Kafka."""
        return device_id in self._waiting

    async def _wait(self, device_id: str, letter: _Letter) -> bool | None:
        answer = letter.answer
        assert answer is not None  # noqa: S101 - who waits has one
        try:
            return await answer
        except asyncio.CancelledError:
            letter.give_up()
            if not answer.cancelled() and answer.result() is None:
                self._pass_on(device_id)  # it was cancelled the moment that it was next
            raise

    async def _publish(self, device_id: str, letters: list[_Letter], own: _Letter) -> bool:
        try:
            device = await self._devices.find(device_id)
            events = [] if device is None else [event for letter in letters for event in letter.say(device)]
            if events:
                await self._events.publish(device_id, events)
            for letter in letters:
                if letter.answer is not None and not letter.answer.done():
                    letter.answer.set_result(device is not None)
        except BaseException as error:
            if isinstance(error, Exception):
                letters.remove(own)
            else:
                own.give_up()
            self._waiting[device_id][:0] = letters
            raise
        finally:
            self._pass_on(device_id)
        return device is not None

    def _pass_on(self, device_id: str) -> None:
        """Let the first who waits publish all that waits."""
        for letter in self._waiting[device_id]:
            if letter.answer is not None and not letter.answer.done():
                letter.answer.set_result(None)
                return
        left = self._waiting.pop(device_id)
        for letter in left:  # nobody waits for it: it was given up, or is about to hear so
            letter.give_up()
        if left := [letter for letter in left if letter.say is not _nothing]:
            self._left[device_id] = left
