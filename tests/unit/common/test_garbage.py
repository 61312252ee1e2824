"""The garbage collector stays away while much is read, and no longer."""

import gc

import pytest

from sluice_common.garbage import collect_seldom, no_collection


def test_the_collector_is_away_within_the_block_only() -> None:
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_is_back_when_reading_has_failed() -> None:
    with pytest.raises(OSError, match="lost"), no_collection():
        raise OSError("lost")
    assert gc.isenabled()


def test_what_is_there_when_a_service_begins_is_not_looked_at_again_and_the_rest_seldom() -> None:
    before, kept = gc.get_threshold(), [[number] for number in range(1000)]
    try:
        collect_seldom()
        assert gc.get_freeze_count() >= len(kept)
        assert not any(found is kept for found in gc.get_objects())
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.set_threshold(*before)
