"""From where, and how often, somebody may try to log in as the platform itself, which may use all topics."""

from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
_MAX_FAILURES = 5
_SECONDS_PER_FAILURE = 10.0
"""After five wrong passwords, an address may try one each ten seconds: 8,640 a day."""
_MAX_ADDRESSES = 10_000


def is_inside(address: str, networks: Sequence[Network]) -> bool:
    """Return whether an address lies in a network, also an IPv4 address written as IPv6 (RFC 4291 §2.5.5.2)."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found.version == network.version and found in network for network in networks)


class FailedLogins:
    """Wrong passwords by address: who guesses is slowed, and nobody else."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how many, and when that was

    def must_wait(self, address: str, now: float) -> bool:
        """Return whether an address has failed too often lately: its next password is not even looked at."""
        return self._left(address, now) > _MAX_FAILURES - 1

    def note(self, address: str, now: float) -> None:
        """Note a wrong password."""
        self._failures[address] = self._left(address, now) + 1, now
        self._failures.move_to_end(address)
        if len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def _left(self, address: str, now: float) -> float:
        failures, at = self._failures.get(address, (0.0, now))
        return max(0.0, failures - (now - at) / _SECONDS_PER_FAILURE)
