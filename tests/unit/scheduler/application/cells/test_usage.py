"""What operators see of windows: how full they are by coverage class, and of cells only the fullest few."""

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import SlotAsk, SlotReturn
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_rules.cells.window import WindowRules
from sluice_scheduler.application.cells.usage import CellCounts, Usage, fullest_of, usage_of
from sluice_scheduler.application.cells.windows import Windows

NOW = 1_800_000_000.0


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def rules_of(_: CoverageClass) -> WindowRules:
    return WindowRules(limit=1, begin_margin=1.0, probe_interval=60.0)


def key(cell_id: int, network: str = "net") -> WindowKey:
    return WindowKey(network=network, cell_id=cell_id, coverage_class=CoverageClass.LEVEL_1)


def ask(window: WindowKey, number: int) -> SlotAsk:
    return SlotAsk(
        app_id="a",
        occurred_at=utc(NOW),
        device_id=f"d{number}",
        window=window,
        grant=Grant(execution_id=f"t:d{number}", attempt=1, ask_no=number),
        awake_until=utc(NOW + 3600),
    )


def returned(window: WindowKey, number: int) -> SlotReturn:
    request = ask(window, number)
    return SlotReturn(app_id="a", occurred_at=utc(NOW), device_id=request.device_id, window=window, grant=request.grant)


def windows(counts: CellCounts, clock: Clock) -> Windows:
    return Windows(rules_of, counts, clock)


def test_slots_and_waiters_are_summed_over_the_windows_of_a_class() -> None:
    some = windows(CellCounts(), Clock())
    for cell, number in ((1, 1), (1, 2), (1, 3), (2, 4)):
        some.admit(ask(key(cell), number))
    assert usage_of(some.all(), some.without_grant(), 0.0) == {
        "level-1": Usage(windows=2, held=2, limit=2, waiters=2, starved=0.0)
    }


def test_a_window_starves_from_when_somebody_waits_or_its_last_grant_on() -> None:
    clock = Clock()
    some = windows(CellCounts(), clock)
    some.admit(ask(key(1), 1))
    some.admit(ask(key(1), 2))
    clock.now = 100.0
    assert usage_of(some.all(), some.without_grant(), clock.now)["level-1"].starved == 100.0
    some.admit(ask(key(1), 3))
    some.admit(returned(key(1), 1))
    clock.now = 130.0
    assert usage_of(some.all(), some.without_grant(), clock.now)["level-1"].starved == 30.0
    some.admit(returned(key(1), 2))
    assert usage_of(some.all(), some.without_grant(), clock.now)["level-1"].starved == 0.0
    assert some.without_grant() == {}


def test_requests_and_grants_are_counted_though_windows_come_and_go() -> None:
    counts = CellCounts()
    some = windows(counts, Clock())
    some.admit(ask(key(1), 1))
    some.admit(ask(key(1), 2))
    some.admit(returned(key(1), 1))
    assert counts.requests == {"slot_ask": 2, "slot_return": 1}
    assert counts.grants == {"level-1": 2}


def test_only_a_few_cells_are_named_and_no_task() -> None:
    some = windows(CellCounts(), Clock())
    for cell in range(8):
        for number in range(cell + 1):
            some.admit(ask(key(cell), 100 * cell + number))
    some.admit(ask(key(0, "task:t"), 9001))
    some.admit(ask(key(0, "task:t"), 9002))
    assert fullest_of(some.all()) == {(f"net/{cell}", "level-1"): cell for cell in (7, 6, 5, 4, 3)}
