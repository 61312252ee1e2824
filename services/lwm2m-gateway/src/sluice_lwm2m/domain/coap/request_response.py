"""Requests and responses without their message layer (RFC 7252 §5): no type, Message ID or token."""

import msgspec

Options = tuple[tuple[int, bytes], ...]
"""(number, value) in ascending order of numbers."""


class Request(msgspec.Struct, frozen=True):
    """A request to a device.

    Attributes:
        code: Method.
        options: In ascending order.
        payload: Body.
        observation: Whether it must carry the observation's token.
    """

    code: int
    options: Options
    payload: bytes = b""
    observation: bool = False


class Response(msgspec.Struct, frozen=True):
    """An answer to a device's request.

    Attributes:
        code: Response code.
        options: In ascending order.
        payload: Body.
    """

    code: int
    options: Options = ()
    payload: bytes = b""
