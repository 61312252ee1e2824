"""The garbage collector stays away while much is read, and no longer."""

import gc

import pytest

from sluice_common.garbage import no_collection


def test_the_collector_is_away_within_the_block_only() -> None:
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_is_back_when_reading_has_failed() -> None:
    with pytest.raises(OSError, match="lost"), no_collection():
        raise OSError("lost")
    assert gc.isenabled()
