"""Which source versions a package supports."""

import time

import pytest

from sluice_rules.devices.steps.versions import is_supported


@pytest.mark.requirement("R033", "D04")
@pytest.mark.parametrize(
    ("version", "patterns", "expected"),
    [
        ("1.0", (), True),
        ("1.0", ("1.0",), True),
        ("1.0", ("2.0", "1.?"), True),
        ("1.10", ("1.?",), False),
        ("1.10", ("1.*",), True),
        ("2.0", ("1.*",), False),
        ("v[1]", ("v[1]",), True),
        ("v1", ("v[1]",), False),
        ("1x0", ("1.0",), False),
        ("ABC", ("abc",), False),
    ],
)
def test_patterns_know_the_star_and_the_question_mark_only(
    version: str, patterns: tuple[str, ...], expected: bool
) -> None:
    assert is_supported(version, patterns) is expected


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    begun = time.process_time()
    assert not is_supported("a" * 128, ("*a" * 40 + "b",))
    assert time.process_time() - begun < 1.0
