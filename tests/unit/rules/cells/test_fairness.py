"""Apps that share a window take turns, and a sleeper that wakes is served by the age of its ticket."""

from collections import Counter, deque
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import SlotAsk, SlotReturn
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_rules.cells.admit import admit
from sluice_rules.cells.window import Window, WindowRules

KEY = WindowKey(network="default", cell_id=7, coverage_class=CoverageClass.LEVEL_2)
AWAKE = 1e9


class Cell:
    """A window of one slot; the device that has it gives it back when the next grant is asked for."""

    def __init__(self) -> None:
        self.window = Window(KEY, WindowRules(limit=1, begin_margin=2.0, probe_interval=300.0))
        self.granted: deque[tuple[str, Grant]] = deque()
        self.asks = 0

    def ask(self, app: str, device: str, awake_until: float = AWAKE, at: float = 0.0) -> None:
        self.asks += 1
        grant = Grant(execution_id=f"{app}:{device}", attempt=1, ask_no=self.asks)
        ask = SlotAsk(
            app_id=app, occurred_at=utc(at), device_id=device, window=KEY, grant=grant, awake_until=utc(awake_until)
        )
        self._note(ask)

    def next(self, at: float = 0.0) -> str:
        """Return the execution that has the slot, and let it end."""
        app, grant = self.granted.popleft()
        self._note(SlotReturn(app_id=app, occurred_at=utc(at), device_id="", window=KEY, grant=grant))
        return grant.execution_id

    def all(self) -> Iterator[str]:
        while self.granted:
            yield self.next()

    def restart(self) -> None:
        self.window = Window(KEY, self.window.rules, self.window.entries)

    def _note(self, request: SlotAsk | SlotReturn) -> None:
        self.granted += [(event.app_id, event.grant) for event in admit(self.window, request).events]


def test_the_single_device_of_an_app_does_not_wait_behind_five_thousand_of_another() -> None:
    cell = Cell()
    for number in range(5000):
        cell.ask("large", str(number))
    cell.ask("small", "0")
    assert [cell.next() for _ in range(3)] == ["large:0", "large:1", "small:0"]


def test_an_app_that_comes_late_takes_part_from_then_on_and_not_those_that_were_served() -> None:
    cell = Cell()
    for number in range(100):
        cell.ask("early", str(number))
    for _ in range(50):
        cell.next()
    for number in range(50):
        cell.ask("late", str(number))
    first = [cell.next().split(":")[0] for _ in range(20)]
    assert abs(Counter(first)["early"] - Counter(first)["late"]) <= 2


@given(queues=st.lists(st.integers(min_value=1, max_value=12), min_size=1, max_size=5))
def test_while_apps_wait_none_is_served_twice_more_than_another(queues: list[int]) -> None:
    cell = Cell()
    cell.ask("first", "holds the slot while the others queue")
    lengths = {str(app): length for app, length in enumerate(queues)}
    for app, length in lengths.items():
        for number in range(length):
            cell.ask(app, str(number))
    cell.next()
    served: Counter[str] = Counter()
    for execution in cell.all():
        app, place = execution.split(":")
        assert int(place) == served[app], "within an app, first come is first served"
        served[app] += 1
        waiting = [other for other, length in lengths.items() if served[other] < length]
        assert all(served[app] <= served[other] + 1 for other in waiting), "an app was served out of turn"
    assert served == lengths


def test_a_device_waits_for_as_many_grants_of_each_other_app_as_of_its_own_however_long_their_queues_are() -> None:
    cell = Cell()
    for app in ("a", "b", "c"):
        for number in range(200):
            cell.ask(app, str(number))
    cell.ask("d", "0")
    cell.ask("d", "1")
    order = list(cell.all())
    assert order.index("d:0") <= 1 + 3 * 2
    assert order.index("d:1") <= 1 + 3 * 3


@pytest.mark.requirement("R073")
def test_steady_awake_traffic_cannot_starve_a_sleeper_whichever_app_it_is_of() -> None:
    cell = Cell()
    cell.ask("busy", "0")
    cell.ask("sleepy", "s", awake_until=10.0)
    cell.ask("busy", "sleeper", awake_until=10.0)
    for number in range(1, 1001):
        cell.ask("busy", str(number), at=100.0)
        cell.ask("other", str(number), at=100.0)
        cell.next(at=100.0)
        cell.next(at=100.0)
    cell.ask("busy", "last", at=200.0)
    cell.ask("busy", "sleeper", at=200.0)
    cell.ask("sleepy", "s", at=200.0)
    cell.next(at=200.0)
    assert {cell.next(at=200.0), cell.next(at=200.0)} == {"sleepy:s", "busy:sleeper"}


def test_an_app_gains_nothing_by_asking_for_one_device_at_a_time() -> None:
    cell = Cell()
    for number in range(100):
        cell.ask("waits", str(number))
    served: Counter[str] = Counter()
    for number in range(40):
        cell.ask("one by one", str(number))
        for _ in range(2):
            served[cell.next().split(":")[0]] += 1
    assert abs(served["waits"] - served["one by one"]) <= 2


def test_after_a_restart_of_the_stage_apps_take_turns_as_before_and_each_keeps_its_order() -> None:
    cell = Cell()
    for number in range(30):
        cell.ask("one", str(number))
        cell.ask("other", str(number))
    before = [cell.next() for _ in range(11)]
    cell.restart()
    served = Counter(execution.split(":")[0] for execution in before)
    after = list(cell.all())
    for execution in after[:20]:
        served[execution.split(":")[0]] += 1
        assert abs(served["one"] - served["other"]) <= 2, "once more than its share at most"
    ones = [int(e.split(":")[1]) for e in before + after if e.startswith("one")]
    assert ones == list(range(30))


def test_what_leaves_the_queue_unserved_costs_its_app_no_rounds() -> None:
    cell = Cell()
    cell.ask("other", "holds")
    for number in range(100):
        cell.ask("stopped", str(number))
    for number in range(100):
        grant = Grant(execution_id=f"stopped:{number}", attempt=1, ask_no=2 + number)
        admit(cell.window, SlotReturn(app_id="stopped", occurred_at=utc(0), device_id="", window=KEY, grant=grant))
    for number in range(3):
        cell.ask("other", str(number))
    cell.ask("stopped", "new")
    cell.next()
    assert "stopped:new" in {cell.next(), cell.next()}


def test_what_an_app_asks_for_waits_no_longer_because_other_devices_of_it_sleep() -> None:
    cell = Cell()
    cell.ask("small", "holds")
    for number in range(200):
        cell.ask("large", f"sleeper-{number}", awake_until=10.0)
    cell.ask("large", "awake")
    order = []
    for number in range(5):
        cell.ask("small", str(number), at=100.0)
        order.append(cell.next(at=100.0))
    assert "large:awake" in order[:3]


def test_many_devices_of_an_app_that_wake_now_and_then_keep_no_other_app_waiting() -> None:
    cell = Cell()
    cell.ask("large", "holds")
    for number in range(500):
        cell.ask("large", str(number), awake_until=10.0)
    cell.ask("small", "0", at=50.0)
    cell.ask("small", "1", at=50.0)
    order = []
    for number in range(6):
        for awake in range(3):  # three of the large app's devices wake before each slot becomes free
            cell.ask("large", str(100 * number + awake), awake_until=200.0 + number, at=100.0 + number)
        order.append(cell.next(at=100.0 + number))
    assert order.index("small:1") <= 4, order
