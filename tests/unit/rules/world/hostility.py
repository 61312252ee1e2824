"""What can go wrong around a campaign, in any order, and the search for an order that breaks an invariant."""

import random
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.unit.rules.world.world import DAY, World

from sluice_common.messages.base import utc
from sluice_common.messages.snapshots import UpgradePolicy

DEVICES = st.sampled_from(["d0", "d1", "d2", "d3"])
TASKS = st.sampled_from(["t", "u"])
SMALL = st.integers(1, 10)
SEEDS = st.integers(0, 2**32)
STEPS = 200


class Hostility(RuleBasedStateMachine):
    """What can go wrong around a campaign, in any order."""

    new_world: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).new_world()
        for name in self.world.names:
            self.world.speak(name, 300.0, registers=True)

    @initialize(retries=st.integers(0, 2))
    def campaign(self, retries: int) -> None:
        """A task wants every device upgraded."""
        for name in self.world.names:
            self.request("t", name, retries)

    @rule(task=TASKS, name=DEVICES, retries=st.integers(0, 2))
    def request(self, task: str, name: str, retries: int) -> None:
        """A task wants a device upgraded, for a day."""
        policy = UpgradePolicy(waiting=0.0, max_retries=retries, retry_interval=60.0, end_at=utc(self.world.now + DAY))
        self.world.request(task, name, policy)

    @rule(task=TASKS, name=DEVICES)
    def stop(self, task: str, name: str) -> None:
        """A task is stopped."""
        self.world.stop(task, name)

    @rule(seed=SEEDS, trouble=st.sampled_from([0, 3, 10, 20]))
    def muddle(self, seed: int, trouble: int) -> None:
        """For a while everybody does what they can, in any order, with some trouble (percent)."""
        self.world.muddle(random.Random(seed), STEPS, trouble)

    @rule(seed=SEEDS)
    def muddle_on(self, seed: int) -> None:
        """The same with little trouble, twice as often."""
        self.world.muddle(random.Random(seed), STEPS, 3)

    @rule(max_events=SMALL, dies=st.sampled_from(["sending", "saving", "committing"]), share=SMALL)
    def die(self, max_events: int, dies: str, share: int) -> None:
        """The stage dies in mid-chunk and is started again."""
        self.world.process(max_events, dies=dies, share=share)

    @rule(back=SMALL)
    def restart_gateway(self, back: int) -> None:
        """The gateway starts again."""
        self.world.restart_gateway(back)

    @rule(back=SMALL)
    def rewind(self, back: int) -> None:
        """The partition moves to a worker that reads on from an older position."""
        self.world.restart(back)

    @rule(name=DEVICES, awake_for=st.sampled_from([1.0, 10.0, 300.0]), registers=st.booleans())
    def speak(self, name: str, awake_for: float, registers: bool) -> None:
        """A device speaks."""
        self.world.speak(name, awake_for, registers=registers)

    @rule(name=DEVICES, cell=st.integers(1, 2))
    def move(self, name: str, cell: int) -> None:
        """A device moves."""
        self.world.move(name, cell)

    @rule(name=DEVICES)
    def fall_silent(self, name: str) -> None:
        """A device is never heard of again."""
        self.world.die(name)

    @rule(seconds=st.sampled_from([0.5, 5.0, 31.0, 100.0, 400.0, 4_000.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.world.pass_time(seconds)

    @invariant()
    def holds(self) -> None:
        """Check."""
        self.world.check()

    def teardown(self) -> None:
        """Everything comes to its end, and reading the log again changes nothing."""
        self.world.run_out()
        self.world.replay()


def endure(new_world: Callable[[], World]) -> None:
    """Run the machine around a world, for as many examples as the profile of Hypothesis affords such long ones."""
    machine = type("HostilityOf", (Hostility,), {"new_world": staticmethod(new_world)})
    hostile = settings(
        max_examples=settings().max_examples * 2 // 5,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(machine, settings=hostile)
