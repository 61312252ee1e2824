"""`bench fairness`: everybody is served once, and turns are what makes the difference."""

from sluice_bench.fairness import bound
from sluice_bench.fairness_cell import Asking, Wait, simulate

HOLD = 100.0
LARGE = [Asking(app_id="large", at=0.0, name=f"large-{n}") for n in range(50)]
SMALL = [Asking(app_id="small", at=10.0, name=f"small-{n}") for n in range(3)]
SLEEPER = Asking(app_id="small", at=20.0, name="sleeper", wake_every=500.0, awake_for=20.0)


def longest(waits: list[Wait], kind: str) -> float:
    return max(wait.seconds for wait in waits if wait.asking.kind == kind)


def test_every_device_has_the_slot_once_in_both_orders() -> None:
    for one_queue in (False, True):
        waits = simulate([*LARGE, *SMALL, SLEEPER], HOLD, seed=1, one_queue=one_queue)
        assert sorted(w.asking.name for w in waits) == sorted(d.name for d in (*LARGE, *SMALL, SLEEPER))


def test_in_turns_the_small_app_waits_within_its_bound_and_in_one_queue_for_all_before_it() -> None:
    alternating = list(simulate([*LARGE, *SMALL], HOLD, seed=1))
    queue = list(simulate([*LARGE, *SMALL], HOLD, seed=1, one_queue=True))
    assert longest(alternating, "small, awake") <= bound(len(SMALL), 1.5 * HOLD)
    assert longest(queue, "small, awake") > 45 * HOLD
