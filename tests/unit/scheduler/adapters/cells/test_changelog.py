"""The changelog of the stage `cells`: what is written is what is restored."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.errors import PoisonError
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_rules.cells.window import Entry, Holder, Ticket, Waiter
from sluice_scheduler.adapters.cells.changelog import APPLIED_KEY, apply_entry, entry_key, entry_value
from sluice_scheduler.application.cells.ports import StoredPartition

TEXT = st.text(min_size=1)
NUMBER = st.integers(min_value=0, max_value=2**53)
SECONDS = st.floats(min_value=0, max_value=4e9)
KEYS = st.builds(WindowKey, network=TEXT, cell_id=NUMBER, coverage_class=st.sampled_from(CoverageClass))
GRANTS = st.builds(Grant, execution_id=TEXT, attempt=NUMBER, ask_no=NUMBER)
HOLDERS = st.builds(Holder, grant=GRANTS, app_id=TEXT, device_id=TEXT, position=NUMBER, deadline=SECONDS)
WAITERS = st.builds(
    Waiter,
    execution_id=TEXT,
    attempt=NUMBER,
    app_id=TEXT,
    device_id=TEXT,
    position=NUMBER,
    ask_no=NUMBER,
    awake_until=SECONDS,
    traceparent=st.none() | TEXT,
)


@given(KEYS, st.dictionaries(st.tuples(TEXT, NUMBER), HOLDERS | WAITERS))
def test_entries_come_back_as_they_were_stored(key: WindowKey, entries: dict[Ticket, Entry]) -> None:
    stored = StoredPartition()
    for ticket, entry in entries.items():
        apply_entry(stored, entry_key(key, ticket), entry_value(entry))
    assert stored.windows[key] == entries


@given(KEYS, st.tuples(TEXT, NUMBER), HOLDERS | WAITERS)
def test_a_tombstone_removes_its_entry_only(key: WindowKey, ticket: Ticket, entry: Entry) -> None:
    stored = StoredPartition()
    other = (f"{ticket[0]}.", ticket[1])
    for each in (ticket, other):
        apply_entry(stored, entry_key(key, each), entry_value(entry))
    apply_entry(stored, entry_key(key, ticket), entry_value(None))
    apply_entry(stored, entry_key(key, ticket), entry_value(None))
    assert stored.windows[key] == {other: entry}


def test_the_last_offset_applied_is_kept() -> None:
    stored = StoredPartition()
    assert stored.applied == -1
    apply_entry(stored, APPLIED_KEY, b"41")
    apply_entry(stored, APPLIED_KEY, b"42")
    assert stored.applied == 42


@pytest.mark.parametrize(("key", "value"), [(b"not json", b"{}"), (b"[]", None), (b'["n",1,"level-0","e",1]', b"{}")])
def test_what_is_no_entry_stops_the_restoring(key: bytes, value: bytes | None) -> None:
    with pytest.raises(msgspec.DecodeError) as failed:
        apply_entry(StoredPartition(), key, value)
    assert not isinstance(failed.value, PoisonError), "a holder may be unknown: nothing may be granted"
