"""`gateway-claims`, compacted, key and partition = ordinal of the gateway: which process has the ordinal."""

from sluice_common.messages.base import Message


class GatewayClaim(Message, frozen=True, kw_only=True):
    """A process of the LwM2M gateway says that an ordinal is its own, or that it has left it in good order.

    `app_id` is empty: an ordinal belongs to the platform.

    Attributes:
        gateway: The ordinal.
        incarnation: Grows with every process that begins with this ordinal.
        process: Names the process; drawn at its start.
        has_left: Whether it has ended and sends nothing more.
        heir: The ordinal of the process if that only answers the commands that nobody else will; None if it serves
            devices.
    """

    gateway: int
    incarnation: int
    process: str
    has_left: bool = False
    heir: int | None = None
