"""Byte ranges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_mqtt.domain.ranges import Slice, UnsatisfiableError, counts_from_zero, requested

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-499", (0, 500)),
        ("bytes=500-", (500, 1000)),
        ("bytes=999-5000", (999, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("Bytes = 1-2 ", (1, 3)),
    ],
)
def test_a_range_selects_bytes(header: str, expected: tuple[int, int]) -> None:
    part = requested(header, SIZE)
    assert part == Slice(*expected)


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=0-1,5-6", "lines=0-1"),
        "bytes=0-1-2",
    ],
)
def test_a_malformed_range_asks_for_the_whole_image(header: str | None) -> None:
    assert requested(header, SIZE) is None


@pytest.mark.parametrize("digits", [18, 19, 20, 500, 8_000])
def test_a_position_may_have_any_number_of_digits(digits: int) -> None:
    far = "9" * digits
    assert requested(f"bytes=0-{far}", SIZE) == Slice(0, SIZE)
    assert requested(f"bytes={'0' * digits}7-{'0' * digits}8", SIZE) == Slice(7, 9)
    assert requested(f"bytes=-{far}", SIZE) == Slice(0, SIZE)
    assert requested(f"bytes={far}-5", SIZE) is None
    assert counts_from_zero(f"bytes={'0' * digits}-{far}")
    with pytest.raises(UnsatisfiableError):
        requested(f"bytes={far}-", SIZE)


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-1001", "bytes=-0"])
def test_a_range_beyond_the_end_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        requested(header, SIZE)


def test_every_range_of_an_empty_image_is_unsatisfiable() -> None:
    with pytest.raises(UnsatisfiableError):
        requested("bytes=0-", 0)
    with pytest.raises(UnsatisfiableError):
        requested("bytes=-1", 0)


def test_one_based_ranges_count_from_one() -> None:
    first = requested("bytes=1-512", SIZE, is_one_based=True)
    last = requested("bytes=513-1000", SIZE, is_one_based=True)
    assert first == Slice(0, 512, 1)
    assert last == Slice(512, 1000, 1)
    assert first.content_range(SIZE) == "bytes 1-512/1000"
    assert requested("bytes=1000-1512", SIZE, is_one_based=True) == Slice(999, 1000, 1)
    with pytest.raises(UnsatisfiableError):
        requested("bytes=1001-", SIZE, is_one_based=True)


def test_a_range_from_zero_counts_from_zero_also_for_a_one_based_product() -> None:
    assert requested("bytes=0-511", SIZE, is_one_based=True) == Slice(0, 512)
    assert requested("bytes=-10", SIZE, is_one_based=True) == Slice(990, 1000)


def test_only_a_range_from_zero_shows_that_a_client_counts_from_zero() -> None:
    assert counts_from_zero("bytes=0-")
    assert counts_from_zero(" bytes = 00-9")
    assert not any(counts_from_zero(header) for header in (None, "", "bytes=1-9", "bytes=-0", "lines=0-1"))


@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,5}-\d{0,5}", fullmatch=True), st.integers(0, 2000))
def test_every_range_lies_within_the_image(header: str, size: int) -> None:
    for is_one_based in (False, True):
        try:
            part = requested(header, size, is_one_based=is_one_based)
        except UnsatisfiableError:
            continue
        assert part is None or 0 <= part.first < part.end <= size


@given(st.integers(1, 5000), st.integers(1, 700))
def test_consecutive_one_based_blocks_make_up_the_image(size: int, block: int) -> None:
    parts = [
        requested(f"bytes={offset + 1}-{offset + block}", size, is_one_based=True) for offset in range(0, size, block)
    ]
    assert [byte for part in parts if part for byte in range(part.first, part.end)] == list(range(size))
