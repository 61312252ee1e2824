"""What was answered before (RFC 7252 §4.5)."""

import sys

from sluice_lwm2m.domain.coap.duplicates import Duplicates
from sluice_lwm2m.domain.coap.peer import Peer

REMOTE = Peer(("10.0.0.1", 5683))


def test_a_duplicate_is_recognised_for_exactly_one_lifetime() -> None:
    duplicates = Duplicates(lifetime=100, capacity=10)
    duplicates.note((REMOTE, b"a"), (b"answer",), 0)
    duplicates.note((REMOTE, b"b"), (), 99)
    duplicates.note((REMOTE, b"c"), (), 100)
    assert duplicates.find((REMOTE, b"a"), 99.9) == (b"answer",)
    assert duplicates.find((REMOTE, b"a"), 100) is None
    assert duplicates.find((REMOTE, b"b"), 198.9) == ()
    assert duplicates.find((REMOTE, b"b"), 199) is None


def test_an_entry_expires_without_further_messages() -> None:
    duplicates = Duplicates(lifetime=100, capacity=10)
    duplicates.note((REMOTE, b"a"), (b"answer",), 0)
    assert duplicates.find((REMOTE, b"a"), 86_400) is None


def test_the_same_bytes_from_another_address_are_no_duplicate() -> None:
    duplicates = Duplicates(lifetime=100, capacity=10)
    duplicates.note((REMOTE, b"a"), (b"answer",), 0)
    assert duplicates.find((Peer(("10.0.0.2", 5683)), b"a"), 0) is None


def test_a_flood_drops_the_oldest_entries_and_takes_no_more_memory() -> None:
    duplicates = Duplicates(lifetime=100, capacity=10)
    for number in range(1_000):
        duplicates.note((REMOTE, number.to_bytes(2)), (), 1)
    found = [n for n in range(1_000) if duplicates.find((REMOTE, n.to_bytes(2)), 1) is not None]
    assert len(found) <= 20
    assert found[-1] == 999


def test_a_forgotten_message_is_no_duplicate() -> None:
    duplicates = Duplicates(lifetime=100, capacity=10)
    duplicates.note((REMOTE, b"a"), (), 0)
    duplicates.forget((REMOTE, b"a"))
    assert duplicates.find((REMOTE, b"a"), 0) is None


def test_the_memory_of_a_duplicate_does_not_grow_with_its_datagram() -> None:
    duplicates, datagram = Duplicates(lifetime=100, capacity=10), bytes(range(256)) * 16
    before = sys.getrefcount(datagram)
    duplicates.note((REMOTE, datagram), (), 0)
    assert sys.getrefcount(datagram) == before
    assert duplicates.find((REMOTE, bytes(bytearray(datagram))), 0) == ()


def test_an_answer_is_found_as_long_as_it_is_current() -> None:
    duplicates, current = Duplicates(lifetime=100, capacity=10), [True]
    duplicates.note((REMOTE, b"a"), (b"answer",), 0, lambda: current[0])
    assert duplicates.find((REMOTE, b"a"), 1) == (b"answer",)
    current[0] = False
    assert duplicates.find((REMOTE, b"a"), 1) is None
