"""Which session has which address: the one place that says who may be addressed and who may answer.

An address is not a device. Without DTLS an operator's address translation may give the address and port of a device
that has gone to the next one, so that RFC 7252 §5.3.2 (a response comes from the endpoint that was asked) does not say
from whom it comes. The rules:

1. A session has the address from which it last spoke for itself: by its registration, by an Update of its location, or
   by a notification with its token. A device that was refused has none.
2. It has it until another session speaks for itself from there, until it de-registers or its lifetime ends. From then
   on nothing is sent to it, retransmissions included, and nothing that comes counts as its answer: it is asleep until
   it speaks again.
3. What is in flight belongs to one registration and ends with it, for the device may have restarted. It follows the
   device to another address, for that device has not restarted: only the translation has changed.
4. Whoever comes after a device at an address may have got its Observe or its Package URI, before anybody could know.
   From an address that a session has left or lost in the midst of an upgrade, tokens therefore speak for it no more;
   only it itself can take the address back, by a registration or an Update.
"""

from collections.abc import Callable

from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.session import Session


class AddressOwners:
    """The addresses of all sessions, those of other gateways too.

    Attributes:
        on_release: Takes a session whose requests in flight are to end: it has lost its address or its registration.
    """

    def __init__(self) -> None:
        self._owners: dict[Peer, Session] = {}
        self.on_release: Callable[[Session], None] = lambda _: None

    def owner(self, remote: Peer) -> Session | None:
        """Return the session that has an address: the only one that may answer from there."""
        return self._owners.get(remote)

    def heard_from(self, session: Session, remote: Peer, at: float) -> bool:
        """Give an address to the session that has spoken for itself from it; it leaves the one that it had.

        This is the one way to an address, and only a message that came from there leads to it. One that was worked on
        late, or read from Kafka, takes nothing from who has spoken from there since.

        Args:
            session: Who has spoken.
            remote: Where from.
            at: When that was, seconds since 1970.

        Returns:
            Whether the session was elsewhere before.
        """
        before = self._owners.get(remote)
        if before is session:
            session.heard_at = at
            return False
        self._leave(session)
        if before is not None and at < before.heard_at:
            session.gain_address(remote, at)
            session.lose_address()
            return True
        if before is not None:
            before.lose_address()
            self.on_release(before)
        self._owners[remote] = session
        session.gain_address(remote, at)
        return True

    def forget(self, session: Session) -> None:
        """Let a session go that is no more."""
        self._leave(session)
        self.on_release(session)

    def _leave(self, session: Session) -> None:
        if session.remote is not None:
            del self._owners[session.remote]
            session.leave_address()
