"""A mailbox for each device: what it reports and what the broker says of it become events one after the other.

What waits while a device is looked up or while Kafka takes the events before it goes to Kafka together, in its order.
So no failure of either turns two words of a device round, and a device that says much costs no more waits than one
that says little.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sluice_common.messages.base import Message
from sluice_mqtt.application.device_locks import DeviceLocks
from sluice_mqtt.application.ports import DeviceEvents, Devices
from sluice_mqtt.domain.device import KnownDevice

Say = Callable[[KnownDevice], Sequence[Message]]
"""Returns the events that something becomes, always the same: what depends on the moment was taken at its receipt."""


@dataclass(slots=True, eq=False)
class _Letter:
    say: Say
    is_done: bool = False
    is_known: bool = False


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
        self._locks = DeviceLocks()
        self._waiting: dict[str, list[_Letter]] = {}

    async def publish(self, device_id: str, say: Say) -> bool:
        """Return when Kafka has the events, and all that were handed over before for this device.

        Who is cancelled meanwhile leaves them behind: they are published with the next of the device.

        Returns:
            False if the platform does not know the device, and nothing is published.
        """
        letter = _Letter(say)
        self._waiting.setdefault(device_id, []).append(letter)
        async with self._locks.of(device_id):
            if not letter.is_done:  # whoever was before may have taken it along
                await self._publish_waiting(device_id, letter)
        return letter.is_known

    async def _publish_waiting(self, device_id: str, own: _Letter) -> None:
        letters = self._waiting.pop(device_id)
        try:
            device = await self._devices.find(device_id)
            events = [] if device is None else [event for letter in letters for event in letter.say(device)]
            if events:
                await self._events.publish(device_id, events)
        except BaseException as error:
            kept = letters if not isinstance(error, Exception) else [letter for letter in letters if letter is not own]
            self._put_back(device_id, kept)
            raise
        for letter in letters:
            letter.is_done, letter.is_known = True, device is not None

    def _put_back(self, device_id: str, letters: list[_Letter]) -> None:
        if letters:
            self._waiting[device_id] = letters + self._waiting.get(device_id, [])
