"""Errors that a peer sees."""


class CoapError(Exception):
    """A request that is answered with an error response (RFC 7252 §5.9).

    Attributes:
        code: CoAP response code.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
