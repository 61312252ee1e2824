"""What was answered before (RFC 7252 §4.5)."""

from sluice_lwm2m.domain.duplicates import Duplicates

REMOTE = ("10.0.0.1", 5683)


def test_a_message_is_found_for_a_lifetime_at_least_and_two_at_most() -> None:
    duplicates = Duplicates(lifetime=100, capacity=10)
    duplicates.note((REMOTE, b"a"), b"answer", 0)
    duplicates.note((REMOTE, b"b"), b"", 99)
    assert duplicates.find((REMOTE, b"a")) == b"answer"
    duplicates.note((REMOTE, b"c"), b"", 100)
    assert duplicates.find((REMOTE, b"a")) == b"answer"
    duplicates.note((REMOTE, b"d"), b"", 200)
    assert duplicates.find((REMOTE, b"a")) is None
    assert duplicates.find((REMOTE, b"c")) == b""


def test_the_same_bytes_from_elsewhere_are_another_message() -> None:
    duplicates = Duplicates(lifetime=100, capacity=10)
    duplicates.note((REMOTE, b"a"), b"answer", 0)
    assert duplicates.find((("10.0.0.2", 5683), b"a")) is None


def test_a_flood_pushes_out_the_oldest_and_takes_no_more_memory() -> None:
    duplicates = Duplicates(lifetime=100, capacity=10)
    for number in range(1_000):
        duplicates.note((REMOTE, number.to_bytes(2)), b"", 1)
    found = [n for n in range(1_000) if duplicates.find((REMOTE, n.to_bytes(2))) is not None]
    assert len(found) <= 20
    assert found[-1] == 999


def test_what_failed_may_be_tried_again() -> None:
    duplicates = Duplicates(lifetime=100, capacity=10)
    duplicates.note((REMOTE, b"a"), b"", 0)
    duplicates.forget((REMOTE, b"a"))
    assert duplicates.find((REMOTE, b"a")) is None
