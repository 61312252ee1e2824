"""Transmission parameters (RFC 7252 §4.8) and the times that follow from them."""

from collections.abc import Iterator

import msgspec

ACK_RANDOM_FACTOR = 1.5


class Transmission(msgspec.Struct, frozen=True):
    """How requests to devices are repeated.

    Attributes:
        ack_timeout: Seconds before the first retransmission, at least.
        max_retransmit: Retransmissions.
        response_timeout: Seconds from an empty acknowledgement to the response.
    """

    ack_timeout: float
    max_retransmit: int
    response_timeout: float

    def timeouts(self, chance: float, *, once: bool = False) -> Iterator[float]:
        """Yield the seconds to wait for an acknowledgement after each transmission (RFC 7252 §4.2).

        Args:
            chance: Random number in [0, 1).
            once: Whether there is one transmission only; its acknowledgement is waited for as long as for that of many.
        """
        timeout = self.ack_timeout * (1 + chance * (ACK_RANDOM_FACTOR - 1))
        if once:
            yield timeout * (2 ** (self.max_retransmit + 1) - 1)
            return
        for _ in range(self.max_retransmit + 1):
            yield timeout
            timeout *= 2
