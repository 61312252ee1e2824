"""Requests and responses without their message layer (RFC 7252 §5): no type, Message ID or token."""

from collections.abc import Callable

import msgspec

IsCurrent = Callable[[], bool]
"""Whether an answer still counts if its request comes again, byte for byte; if not, that is a new request."""
Options = tuple[tuple[int, bytes], ...]
"""(number, value) in ascending order of numbers."""


class Request(msgspec.Struct, frozen=True):
    """A request to a device.

    Attributes:
        code: Method.
        options: In ascending order.
        payload: Body.
        observation: Whether it must carry the observation's token.
        once: Whether it must not be retransmitted.
    """

    code: int
    options: Options
    payload: bytes = b""
    observation: bool = False
    once: bool = False


class Response(msgspec.Struct, frozen=True):
    """An answer to a device's request.

    Attributes:
        code: Response code.
        options: In ascending order.
        payload: Body.
        is_current: Whether it still counts for a repeated request; None if it does as long as it is remembered.
    """

    code: int
    options: Options = ()
    payload: bytes = b""
    is_current: IsCurrent | None = None
