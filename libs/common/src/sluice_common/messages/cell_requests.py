"""`cell-requests`, key `network/cell_id`: what devices ask of the windows of their cell."""

from datetime import datetime

from sluice_common.messages.base import Message
from sluice_common.messages.slots import Grant, WindowKey


class SlotAsk(Message, frozen=True, kw_only=True):
    """An attempt asks for a slot, or asks again under its old ticket because it is awake.

    Attributes:
        device_id: Where the grant goes.
        window: The window.
        grant: The name that a grant in answer to this ask will have.
        awake_until: A grant after this would be wasted on a sleeper.
    """

    device_id: str
    window: WindowKey
    grant: Grant
    awake_until: datetime


class SlotReturn(Message, frozen=True, kw_only=True):
    """The attempt no longer needs the slot, or its place in the queue if it has no slot yet.

    Attributes:
        device_id: Who returns it.
        window: The window.
        grant: The grant, or the name of the ask that was not granted yet.
        keep_place: The ticket goes on waiting, under its old place, and is asleep until it asks again: for a grantee
            that did not answer in time.
    """

    device_id: str
    window: WindowKey
    grant: Grant
    keep_place: bool = False


class SlotHold(Message, frozen=True, kw_only=True):
    """Answer to a probe: the attempt still needs the slot."""

    device_id: str
    window: WindowKey
    grant: Grant


class ProbeDue(Message, frozen=True, kw_only=True):
    """Timer of the stage `cells`: a holder has been silent past its deadline."""

    window: WindowKey
    grant: Grant
    deadline: float


CellRequest = SlotAsk | SlotReturn | SlotHold | ProbeDue
