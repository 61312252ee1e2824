"""Anti-rollback: versions are ordered as the product says, and nothing below its minimum goes."""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import AntiRollback, Ordering
from sluice_api.domain.versions import (
    VersionFormatError,
    check_minimum,
    is_below,
    require_no_rollback,
    rollback,
)
from sluice_common.messages.execution_events import Reason
from sluice_common.reasons import ReasonCode

SEMVER, NUMERIC, LEXICAL = Ordering.SEMVER, Ordering.NUMERIC, Ordering.LEXICAL
FROM_1_4 = AntiRollback(ordering=SEMVER, minimum_version="1.4.0")


def test_semantic_versions_are_ordered_as_the_specification_shows() -> None:
    rising = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.9.0",
        "1.10.0",
        "2.0.0",
    ]
    for lower, higher in pairwise(rising):
        assert is_below(lower, higher, SEMVER)
        assert not is_below(higher, lower, SEMVER)
    assert not is_below("1.0.0+build.1", "1.0.0+build.2", SEMVER)


@pytest.mark.parametrize(
    ("version", "minimum", "below"),
    [("1.9", "1.10", True), ("V1.0.10", "v1.0.9", False), ("1.0", "1.0.0", False), ("2", "2.0.1", True)],
)
def test_numbers_between_dots_are_compared_as_numbers(version: str, minimum: str, below: bool) -> None:
    assert is_below(version, minimum, NUMERIC) is below


def test_lexical_versions_are_compared_by_character() -> None:
    assert is_below("1.10", "1.9", LEXICAL)
    assert not is_below("B", "A", LEXICAL)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=5), st.lists(st.integers(0, 10**9), min_size=1, max_size=5))
def test_of_two_numeric_versions_at_most_one_lies_below(one: list[int], other: list[int]) -> None:
    a, b = (".".join(map(str, numbers)) for numbers in (one, other))
    assert not (is_below(a, b, NUMERIC) and is_below(b, a, NUMERIC))
    assert not is_below(a, a, NUMERIC)


@given(st.text(alphabet="0123456789.-+abzV", max_size=64), st.sampled_from(list(Ordering)))
def test_any_text_is_ordered_or_refused(version: str, ordering: Ordering) -> None:
    with contextlib.suppress(VersionFormatError):
        assert not is_below(version, version, ordering)


@pytest.mark.parametrize(("version", "ordering"), [("1.0", SEMVER), ("01.0.0", SEMVER), ("1.0-rc", NUMERIC)])
def test_a_minimum_without_a_place_in_its_ordering_is_refused(version: str, ordering: Ordering) -> None:
    with pytest.raises(InvalidError) as caught:
        check_minimum(AntiRollback(ordering=ordering, minimum_version=version))
    assert caught.value.code == "version_not_comparable"
    assert caught.value.errors[0].field == "anti_rollback.minimum_version"


def test_a_product_without_a_minimum_lets_every_version_through() -> None:
    rule = AntiRollback(ordering=SEMVER, minimum_version=None)
    check_minimum(rule)
    assert rollback("anything", rule) is None


@pytest.mark.requirement("D16")
@pytest.mark.parametrize(
    ("version", "code"),
    [("1.3.9", "version_below_minimum"), ("1.4.0-rc.1", "version_below_minimum"), ("V1", "version_not_comparable")],
)
def test_what_lies_below_the_minimum_is_refused_with_both_versions(version: str, code: str) -> None:
    params = {"version": version, "minimum": "1.4.0", "ordering": "semver"}
    assert rollback(version, FROM_1_4) == Reason(code=ReasonCode(code), params=params)
    with pytest.raises(ConflictError) as caught:
        require_no_rollback(version, FROM_1_4)
    assert caught.value.code == code
    assert f"Version {version} " in caught.value.detail
    assert "1.4.0" in caught.value.detail


@pytest.mark.parametrize("version", ["1.4.0", "1.4.1-rc.1", "2.0.0"])
def test_the_minimum_itself_and_what_lies_above_go(version: str) -> None:
    assert rollback(version, FROM_1_4) is None
    require_no_rollback(version, FROM_1_4)
