"""The rules of one cell window, sentence by sentence."""

import pytest

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import ProbeDue, SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import SlotGranted, SlotProbed
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_rules.cells.admit import Admission, admit
from sluice_rules.cells.window import Holder, Window, WindowRules

BEGIN_MARGIN = 2.0
PROBE_INTERVAL = 300.0
KEY = WindowKey(network="default", cell_id=7, coverage_class=CoverageClass.LEVEL_1)


def grant(execution: str, attempt: int = 1, ask_no: int = 1) -> Grant:
    return Grant(execution_id=execution, attempt=attempt, ask_no=ask_no)


class Cell:
    """A window with short words for its requests."""

    def __init__(self, limit: int) -> None:
        self.window = Window(KEY, WindowRules(limit, BEGIN_MARGIN, PROBE_INTERVAL))

    def ask(
        self,
        execution: str,
        attempt: int = 1,
        ask_no: int = 1,
        *,
        at: float = 0,
        awake_for: float = 1e6,
        app_id: str = "app",
    ) -> Admission:
        name = grant(execution, attempt, ask_no)
        return admit(
            self.window,
            SlotAsk(
                app_id=app_id,
                occurred_at=utc(at),
                device_id=execution.upper(),
                window=KEY,
                grant=name,
                awake_until=utc(at + awake_for),
                traceparent=f"trace-of-{execution}",
            ),
        )

    def release(
        self, execution: str, attempt: int = 1, ask_no: int = 1, *, at: float = 0, keep_place: bool = False
    ) -> Admission:
        return admit(
            self.window,
            SlotReturn(
                app_id="app",
                occurred_at=utc(at),
                device_id=execution.upper(),
                window=KEY,
                grant=grant(execution, attempt, ask_no),
                keep_place=keep_place,
            ),
        )

    def still_hold(self, execution: str, attempt: int = 1, ask_no: int = 1, *, at: float = 0) -> Admission:
        name = grant(execution, attempt, ask_no)
        return admit(
            self.window,
            SlotHold(app_id="app", occurred_at=utc(at), device_id=execution.upper(), window=KEY, grant=name),
        )

    def probe_due(self, execution: str, *, deadline: float, at: float, ask_no: int = 1) -> Admission:
        name = grant(execution, 1, ask_no)
        return admit(
            self.window, ProbeDue(app_id="app", occurred_at=utc(at), window=KEY, grant=name, deadline=deadline)
        )

    @property
    def holding(self) -> set[str]:
        return {execution for execution, _ in self.window.holders}

    @property
    def waiting(self) -> list[str]:
        return sorted(self.window.waiters, key=lambda e: self.window.waiters[e].position)


def granted(admission: Admission) -> list[Grant]:
    return [event.grant for event in admission.events if isinstance(event, SlotGranted)]


@pytest.mark.requirement("R067", "R072")
def test_an_awake_device_gets_a_free_slot_at_once() -> None:
    cell = Cell(limit=1)
    admission = cell.ask("a", at=5)
    assert admission.events == [
        SlotGranted(
            app_id="app", occurred_at=utc(5), device_id="A", window=KEY, grant=grant("a"), traceparent="trace-of-a"
        )
    ]


@pytest.mark.requirement("R072", "R073")
def test_a_device_over_the_limit_waits_until_a_slot_is_returned() -> None:
    cell = Cell(limit=2)
    cell.ask("a")
    cell.ask("b")
    assert granted(cell.ask("c")) == []
    assert granted(cell.release("a")) == [grant("c")]
    assert cell.holding == {"b", "c"}


@pytest.mark.requirement("R073")
def test_slots_go_to_the_longest_waiting_first() -> None:
    cell = Cell(limit=1)
    for execution in "abcd":
        cell.ask(execution)
    order = [granted(cell.release(e))[0].execution_id for e in "abc"]
    assert order == ["b", "c", "d"]


@pytest.mark.requirement("R073")
def test_a_sleeper_is_passed_over_and_keeps_its_place() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.ask("sleeper", awake_for=10)
    cell.ask("c")
    cell.ask("d")
    assert granted(cell.release("a", at=20)) == [grant("c")]
    assert granted(cell.ask("sleeper", ask_no=2, at=30, awake_for=10)) == []
    assert granted(cell.release("c", at=31)) == [grant("sleeper", ask_no=2)]


@pytest.mark.requirement("R073")
def test_a_sleeper_that_wakes_gets_a_free_slot_at_once() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.ask("sleeper", awake_for=10)
    assert granted(cell.release("a", at=20)) == []
    assert granted(cell.ask("sleeper", ask_no=2, at=30, awake_for=10)) == [grant("sleeper", ask_no=2)]


def test_a_device_that_is_about_to_sleep_is_not_given_a_slot() -> None:
    cell = Cell(limit=1)
    assert granted(cell.ask("a", awake_for=BEGIN_MARGIN - 0.1)) == []
    assert granted(cell.ask("b", awake_for=BEGIN_MARGIN)) == [grant("b")]


@pytest.mark.requirement("R087")
def test_a_slot_is_freed_by_its_holder_only() -> None:
    cell = Cell(limit=1)
    cell.ask("a", ask_no=5)
    cell.ask("b")
    cell.release("c", ask_no=9)
    cell.release("a", attempt=2, ask_no=9)
    cell.release("a", ask_no=4)
    assert cell.holding == {"a"}
    assert granted(cell.release("a", ask_no=5)) == [grant("b")]


@pytest.mark.requirement("R087")
def test_time_alone_never_frees_a_slot() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.ask("b", at=1e6)
    assert cell.holding == {"a"}


def test_a_return_of_a_later_ask_frees_the_slot_of_an_earlier_one() -> None:
    cell = Cell(limit=1)
    cell.ask("a", ask_no=1)
    cell.release("a", ask_no=3)
    assert cell.window.is_empty


def test_a_waiter_that_returns_leaves_the_queue() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.ask("b", ask_no=2)
    cell.release("b", ask_no=1)
    assert cell.waiting == ["b"]
    cell.release("b", ask_no=2)
    assert cell.waiting == []
    assert granted(cell.release("a")) == []


def test_the_same_ask_of_a_holder_sends_its_grant_again_and_changes_nothing() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    again = cell.ask("a", at=9)
    assert granted(again) == [grant("a")]
    assert again.changes == {}


def test_a_later_ask_of_a_holder_renames_its_grant_within_the_same_slot() -> None:
    cell = Cell(limit=1)
    cell.ask("a", ask_no=1)
    assert granted(cell.ask("a", ask_no=2)) == [grant("a", ask_no=2)]
    cell.release("a", ask_no=1)
    assert cell.holding == {"a"}


def test_an_earlier_ask_of_a_holder_is_late_and_ignored() -> None:
    cell = Cell(limit=1)
    cell.ask("a", ask_no=2)
    late = cell.ask("a", ask_no=1)
    assert late == Admission()


def test_a_repeated_ask_of_a_waiter_changes_nothing() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.ask("b", ask_no=2)
    assert cell.ask("b", ask_no=2) == Admission()
    assert cell.ask("b", ask_no=1, awake_for=5) == Admission()


@pytest.mark.requirement("R134")
def test_a_new_attempt_supersedes_the_older_waiter_and_queues_anew() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.ask("b", attempt=1, ask_no=2)
    cell.ask("c")
    superseding = cell.ask("b", attempt=2, ask_no=3)
    assert superseding.changes[("b", 1)] is None
    assert cell.waiting == ["c", "b"]
    assert cell.ask("b", attempt=1, ask_no=2) == Admission()


@pytest.mark.requirement("R087", "R134")
def test_a_new_attempt_does_not_free_the_slot_of_the_old_one() -> None:
    cell = Cell(limit=1)
    cell.ask("a", attempt=1, ask_no=1)
    assert granted(cell.ask("a", attempt=2, ask_no=2)) == []
    assert granted(cell.release("a", attempt=1, ask_no=1)) == [grant("a", attempt=2, ask_no=2)]


@pytest.mark.requirement("R087")
def test_a_holder_silent_past_its_deadline_is_probed_once_per_interval() -> None:
    cell = Cell(limit=1)
    cell.ask("a", at=100)
    probed = cell.probe_due("a", deadline=100 + PROBE_INTERVAL, at=401)
    assert probed.events == [
        SlotProbed(app_id="app", occurred_at=utc(401), device_id="A", window=KEY, grant=grant("a"))
    ]
    assert cell.window.holders["a", 1].deadline == 401 + PROBE_INTERVAL
    assert cell.probe_due("a", deadline=100 + PROBE_INTERVAL, at=402) == Admission()


def test_a_probe_of_another_grant_or_deadline_is_ignored() -> None:
    cell = Cell(limit=1)
    cell.ask("a", ask_no=2, at=100)
    assert cell.probe_due("a", deadline=100 + PROBE_INTERVAL, at=400, ask_no=1) == Admission()
    assert cell.probe_due("a", deadline=399, at=400, ask_no=2) == Admission()
    assert cell.probe_due("b", deadline=100 + PROBE_INTERVAL, at=400) == Admission()


@pytest.mark.requirement("R087")
def test_a_holder_that_answers_hold_keeps_its_slot_until_the_next_deadline() -> None:
    cell = Cell(limit=1)
    cell.ask("a", at=100)
    held = cell.still_hold("a", at=350)
    assert held.changes == {
        ("a", 1): Holder(grant=grant("a"), app_id="app", device_id="A", position=0, deadline=350 + PROBE_INTERVAL)
    }
    assert cell.probe_due("a", deadline=100 + PROBE_INTERVAL, at=400) == Admission()


def test_a_late_hold_of_an_earlier_grant_is_ignored() -> None:
    cell = Cell(limit=1)
    cell.ask("a", ask_no=2)
    cell.ask("b", ask_no=2)
    assert cell.still_hold("a", ask_no=1, at=9) == Admission()
    assert cell.still_hold("b", ask_no=1, at=9) == Admission()


@pytest.mark.requirement("R072")
def test_a_forgotten_holder_is_put_back_above_the_limit_and_nothing_is_granted_until_it_has_drained() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.ask("b")
    cell.still_hold("forgotten")
    assert cell.holding == {"a", "forgotten"}
    assert granted(cell.release("a")) == []
    assert granted(cell.release("forgotten")) == [grant("b")]


def test_a_forgotten_holder_that_waits_as_well_stops_waiting() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.ask("b")
    cell.still_hold("b")
    assert cell.waiting == []
    assert cell.holding == {"a", "b"}


def test_a_raised_limit_is_given_out_at_the_next_request() -> None:
    narrow = Cell(limit=1)
    for execution in "abc":
        narrow.ask(execution)
    wide = Cell(limit=3)
    wide.window = Window(KEY, wide.window.rules, narrow.window.entries)
    assert granted(wide.still_hold("a")) == [grant("b"), grant("c")]


def test_a_window_is_empty_once_all_holders_and_waiters_have_left() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.ask("b")
    cell.release("a")
    cell.release("b")
    assert cell.window.is_empty
    assert cell.window.entries == {}


@pytest.mark.requirement("R073")
def test_a_grantee_that_slept_returns_the_slot_and_keeps_its_place() -> None:
    cell = Cell(limit=1)
    for execution in "abcd":
        cell.ask(execution)
    cell.release("a", keep_place=True)
    assert granted(cell.release("b")) == [grant("c")]
    cell.ask("a", ask_no=2)
    assert granted(cell.release("c")) == [grant("a", ask_no=2)]


def test_a_returned_grant_is_never_given_again() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.release("a", keep_place=True)
    assert cell.ask("a") == Admission()


def test_a_kept_place_is_left_by_a_plain_return() -> None:
    cell = Cell(limit=1)
    cell.ask("a")
    cell.release("a", keep_place=True)
    cell.release("a", keep_place=True)
    assert cell.waiting == ["a"]
    cell.release("a")
    assert cell.window.is_empty


def test_a_kept_place_does_not_take_that_of_a_newer_attempt() -> None:
    cell = Cell(limit=1)
    cell.ask("a", attempt=1)
    cell.ask("b")
    cell.ask("a", attempt=2, ask_no=2)
    assert granted(cell.release("a", attempt=1, keep_place=True)) == [grant("b")]
    assert granted(cell.release("b")) == [grant("a", attempt=2, ask_no=2)]


@pytest.mark.requirement("R073")
def test_a_device_that_leaves_the_queue_and_comes_back_waits_behind_those_who_stayed() -> None:
    cell = Cell(limit=1)
    for execution in "abc":
        cell.ask(execution)
    cell.release("b")
    cell.ask("b", attempt=2, ask_no=2)
    assert granted(cell.release("a")) == [grant("c")]


@pytest.mark.requirement("D02")
def test_apps_share_the_slots_of_a_cell_and_each_grant_bears_its_own_app() -> None:
    cell = Cell(limit=1)
    cell.ask("a", app_id="one")
    cell.ask("b", app_id="other")
    (event,) = cell.release("a").events
    assert (event.app_id, event.grant) == ("other", grant("b"))
