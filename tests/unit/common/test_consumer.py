"""The consumer of a group: whatever happens in the middle of a batch, the batch comes again, and no record stops it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError
from pymongo.errors import OperationFailure
from structlog.testing import capture_logs

from sluice_common.bus import Consumer, Handler, Position, Positions, Producer, Received, consumer, handling
from sluice_common.errors import FatalError, PoisonError
from sluice_common.messages.base import now, to_json
from sluice_common.messages.task_events import TaskStopRequested
from sluice_common.settings import CommonSettings
from sluice_common.supervision import Backoff
from sluice_common.topics import EXECUTION_EVENTS, TASK_EVENTS

ONE, OTHER = TopicPartition(TASK_EVENTS.name, 1), TopicPartition(TASK_EVENTS.name, 2)


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None


class Kafka:
    """Partitions with records, positions, and who has them."""

    def __init__(self) -> None:
        self.records: dict[TopicPartition, list[str]] = {ONE: [], OTHER: []}
        self.positions = {ONE: 0, OTHER: 0}
        self.committed: dict[TopicPartition, int] = {}
        self.failures: list[Exception] = []
        self.fetch_failures: list[Exception] = []
        self.timeouts: list[int] = []
        self._coordinator = self._fetcher = self
        self._fetch_max_wait_ms = 0
        self._coordination_task: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, Sequence[Record]]:
        assert max_records > 0
        self.timeouts.append(timeout_ms)
        await asyncio.sleep(0)
        if self.fetch_failures:
            raise self.fetch_failures.pop()
        found = {}
        for partition in self.assignment():
            start = self.positions[partition]
            texts = self.records[partition][start : start + max_records]
            found[partition] = [_record(partition, start + n, text) for n, text in enumerate(texts)]
            self.positions[partition] += len(texts)
        return found

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.failures:
            raise self.failures.pop()
        if not offsets:
            raise ValueError("nothing to commit")
        if offsets.keys() - self.assignment():
            raise IllegalStateError("not assigned")
        self.committed |= offsets

    def rebalance(self, *assigned: TopicPartition) -> None:
        """Assign partitions, whose positions are where they were committed."""
        self.positions = {partition: self.committed.get(partition, 0) for partition in assigned}

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {partition: len(self.records[partition]) for partition in partitions}

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset


class Letters(Producer):
    """Notes what is dead-lettered."""

    def __init__(self) -> None:
        self.letters: list[tuple[int, str]] = []

    async def dead_letter(self, record: Any, reason: str) -> None:
        self.letters.append((record.offset, reason))


def _record(partition: TopicPartition, offset: int, text: str) -> Record:
    message = to_json(TaskStopRequested(app_id="a", occurred_at=now(), task_id=text))
    return Record(partition.topic, partition.partition, offset, b"k", message)


class Bench:
    """A consumer, what its handler gets, and what that does with it."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        do: Callable[[list[str]], Awaitable[None]] | None = None,
        at_once: int = 1000,
        handle: Handler | None = None,
    ) -> None:
        for module in (consumer, handling):
            monkeypatch.setattr(module, "_BACKOFF", Backoff(first=0.0, longest=0.0))
        self.kafka, self.producer, self.handled = Kafka(), Letters(), list[list[str]]()
        self._do, self._at_once = do, at_once
        self.consumer = Consumer(CommonSettings(), [TASK_EVENTS], "g", handle or self._handle, self.producer)
        self.consumer._kafka = self.kafka

    async def _handle(self, records: Sequence[Received]) -> Sequence[Received]:
        texts = [record.message.task_id for record in records[: self._at_once]]
        if self._do is not None:
            await self._do(texts)
        self.handled.append(texts)
        return records[self._at_once :]

    async def run_until(self, committed: Mapping[TopicPartition, int]) -> None:
        """Consume until positions are committed."""
        running = asyncio.create_task(self.consumer.run())
        with capture_logs():
            async with asyncio.timeout(60):
                while committed.items() - self.kafka.committed.items() and not running.done():
                    await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()


@pytest.fixture
async def unclosed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no real client: it would warn that nobody closes it."""
    monkeypatch.setattr(consumer, "AIOKafkaConsumer", lambda *_, **__: None)


@pytest.mark.usefixtures("unclosed")
@pytest.mark.parametrize("error", [CommitFailedError("rebalanced"), IllegalStateError("not assigned")])
async def test_partitions_that_move_in_the_middle_of_a_batch_end_no_consumer(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def rebalance(_: list[str]) -> None:
        bench.kafka.positions = {ONE: 0}  # it has lost the other one, and begins behind what is committed

    bench = Bench(monkeypatch, rebalance)
    bench.kafka.records[ONE] = ["a", "b"]
    bench.kafka.failures = [error]
    await bench.run_until({ONE: 2})
    assert bench.handled == [["a", "b"], ["a", "b"]]
    assert bench.producer.letters == []


@pytest.mark.usefixtures("unclosed")
@pytest.mark.parametrize(
    "trouble", [KafkaConnectionError(), OperationFailure("no primary"), OSError("disk full"), TimeoutError()]
)
async def test_a_batch_that_fails_by_trouble_is_read_again_and_no_record_of_it_is_lost(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    failures = [trouble] * 3

    async def do(_: list[str]) -> None:
        if failures:
            raise failures.pop()

    bench = Bench(monkeypatch, do)
    bench.kafka.records = {ONE: ["a", "b"], OTHER: ["c"]}
    await bench.run_until({ONE: 2, OTHER: 1})
    assert [sorted(texts) for texts in bench.handled] == [["a", "b", "c"]]
    assert bench.producer.letters == []


@pytest.mark.usefixtures("unclosed")
@pytest.mark.parametrize("error", [PoisonError("no rule for it"), KeyError("a fault of our own")])
async def test_a_record_that_can_never_be_handled_is_dead_lettered_alone(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def do(texts: list[str]) -> None:
        if "bad" in texts:
            raise error

    bench = Bench(monkeypatch, do)
    bench.kafka.records[ONE] = ["a", "bad", "b"]
    await bench.run_until({ONE: 3})
    assert bench.handled == [["a"], ["b"]]
    assert [offset for offset, _ in bench.producer.letters] == [1]


@pytest.mark.usefixtures("unclosed")
async def test_a_fault_of_our_own_that_passes_costs_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [KeyError("once")]

    async def do(texts: list[str]) -> None:
        if failures and texts == ["a"]:
            raise failures.pop()

    bench = Bench(monkeypatch, do)
    bench.kafka.records[ONE] = ["a"]
    await bench.run_until({ONE: 1})
    assert (bench.handled, bench.producer.letters) == ([["a"]], [])


@pytest.mark.usefixtures("unclosed")
async def test_trouble_while_fetching_is_outlived_unless_the_client_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def do(_: list[str]) -> None: ...

    bench = Bench(monkeypatch, do)
    bench.kafka.records[ONE] = ["a"]
    bench.kafka.fetch_failures = [KafkaConnectionError(), KafkaConnectionError()]
    await bench.run_until({ONE: 1})
    bench.kafka.fetch_failures = [KafkaConnectionError()]
    bench.kafka._coordination_task.set_result(None)
    with pytest.raises(FatalError):
        await bench.consumer.run()


@pytest.mark.usefixtures("unclosed")
async def test_a_tombstone_of_a_compacted_topic_says_nothing_and_one_elsewhere_is_poison(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def do(_: list[str]) -> None: ...

    bench = Bench(monkeypatch, do)
    for topic, letters in ((EXECUTION_EVENTS, []), (TASK_EVENTS, [(7, "empty value")])):
        reader = Consumer(CommonSettings(), [topic], "g", bench._handle, bench.producer)
        assert await reader._decode(Record(topic.name, 1, 7, b"k", None)) is None
        assert bench.producer.letters == letters


@pytest.mark.parametrize(("took", "pause"), [(0.0, 1.0), (0.4, 1.0), (2.0, 4.0), (60.0, 10.0)])
def test_the_longer_a_batch_has_taken_the_longer_is_the_rest_after_it_within_limits(took: float, pause: float) -> None:
    assert consumer.pause_after(took, gather=1.0, rest=2.0) == pause
    assert consumer.pause_after(took, gather=0.0, rest=0.0) == 0.0


def test_after_a_full_batch_nothing_gathers_but_a_busy_database_has_its_rest() -> None:
    assert consumer.pause_after(0.4, gather=1.0, rest=0.0, is_full=True) == 0.0
    assert consumer.pause_after(0.4, gather=1.0, rest=2.0, is_full=True) == 0.8


@pytest.mark.usefixtures("unclosed")
async def test_a_consumer_that_is_told_to_end_commits_the_batch_in_hand_and_begins_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_hand, may_end = asyncio.Event(), asyncio.Event()

    async def do(_: list[str]) -> None:
        in_hand.set()
        await may_end.wait()

    bench = Bench(monkeypatch, do)
    bench.kafka.records[ONE] = ["a", "b"]
    running = asyncio.create_task(bench.consumer.run())
    await in_hand.wait()
    running.cancel()
    bench.kafka.records[ONE].append("c")
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (bench.handled, bench.kafka.committed[ONE]) == ([["a", "b"]], 2)


@pytest.mark.usefixtures("unclosed")
async def test_a_batch_in_hand_counts_for_the_lag_until_it_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Positions] = []

    async def do(_: list[str]) -> None:
        seen.append(await bench.consumer._positions())

    bench = Bench(monkeypatch, do)
    bench.kafka.records[ONE] = ["a", "b"]
    await bench.run_until({ONE: 2})
    seen.append(await bench.consumer._positions())
    assert [positions[ONE] for positions in seen] == [Position(done=0, end=2), Position(done=2, end=2)]


@pytest.mark.usefixtures("unclosed")
async def test_what_a_handler_leaves_comes_again_before_what_has_come_meanwhile_and_is_not_committed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    committed = []

    async def do(_: list[str]) -> None:
        committed.append(bench.kafka.committed.get(ONE))
        bench.kafka.records[ONE] += ["new"] * (len(bench.handled) == 0)

    bench = Bench(monkeypatch, do, at_once=2)
    bench.kafka.records[ONE] = ["a", "b", "c", "d", "e"]
    await bench.run_until({ONE: 6})
    assert bench.handled == [["a", "b"], ["c", "d"], ["e", "new"]]
    assert committed == [None, 2, 4]
    assert bench.kafka.timeouts[:3] == [1000, 0, 0], "nobody waits for news while there is work"


@pytest.mark.usefixtures("unclosed")
async def test_what_is_handled_behind_a_record_that_was_left_is_not_committed_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def handle(records: Sequence[Received]) -> Sequence[Received]:
        """Handle the last record, whatever came before it."""
        bench.handled.append([records[-1].message.task_id])
        committed.append(bench.kafka.committed.get(ONE))
        return records[-2::-1]

    committed: list[int | None] = []
    bench = Bench(monkeypatch, handle=handle)
    bench.kafka.records[ONE] = ["a", "b", "c"]
    await bench.run_until({ONE: 3})
    assert sorted(bench.handled) == [["a"], ["b"], ["c"]]
    assert committed == [None, 0, 1], "the lowest that is left"


@pytest.mark.usefixtures("unclosed")
async def test_a_consumer_whose_handler_leaves_as_much_as_it_may_hold_fetches_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def handle(records: Sequence[Received]) -> Sequence[Received]:
        """Look at the first time, handle all at the second."""
        bench.handled.append([record.message.task_id for record in records])
        return () if len(bench.handled) > 1 else records

    bench = Bench(monkeypatch, handle=handle)
    bench.consumer._max_records = 3
    bench.kafka.records[ONE] = ["a", "b", "c", "d", "e"]
    await bench.run_until({ONE: 5})
    assert bench.handled == [["a", "b", "c"], ["a", "b", "c"], ["d", "e"]]
    assert bench.kafka.timeouts[0] == 1000
    assert len(bench.kafka.timeouts) >= 2


@pytest.mark.usefixtures("unclosed")
async def test_a_record_that_is_left_again_and_again_keeps_no_endless_number_behind_it_uncommitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def handle(records: Sequence[Received]) -> Sequence[Received]:
        """Leave the first one until nothing else comes."""
        bench.handled.append([record.message.task_id for record in records])
        return records[:1] if len(records) > 1 else ()

    bench = Bench(monkeypatch, handle=handle)
    bench.consumer._max_records = 2
    bench.kafka.records[ONE] = ["old", *(str(n) for n in range(20))]
    await bench.run_until({ONE: 6})
    assert bench.handled[:6] == [["old", "0"], ["old", "1"], ["old", "2"], ["old", "3"], ["old", "4"], ["old"]]


@pytest.mark.usefixtures("unclosed")
async def test_what_a_handler_has_left_is_read_again_after_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OSError("disk full")]

    async def do(texts: list[str]) -> None:
        bench.kafka.records[ONE] += ["new"] * (texts == ["a"])
        if texts == ["b"] and failures:
            raise failures.pop()

    bench = Bench(monkeypatch, do, at_once=1)
    bench.kafka.records[ONE] = ["a", "b", "c"]
    await bench.run_until({ONE: 4})
    assert bench.handled == [["a"], ["b"], ["c"], ["new"]]


@pytest.mark.usefixtures("unclosed")
@pytest.mark.parametrize("assigned", [(ONE, OTHER), (OTHER,)])
async def test_what_a_handler_has_left_is_forgotten_in_a_rebalance_and_handled_once_by_whoever_has_its_partition(
    monkeypatch: pytest.MonkeyPatch, assigned: tuple[TopicPartition, ...]
) -> None:
    async def do(texts: list[str]) -> None:
        if texts == ["b"]:
            moved.append(True)

    moved: list[bool] = []
    bench = Bench(monkeypatch, do, at_once=1)
    bench.kafka.records[ONE] = ["a", "b", "c", "d"]
    original = bench.kafka.getmany

    async def getmany(**options: int) -> Mapping[TopicPartition, Sequence[Record]]:
        if moved == [True]:
            moved.append(False)
            bench.kafka.rebalance(*assigned)
            bench.consumer._note_assignment()
            bench.kafka.records[OTHER] = ["z"]
        return await original(**options)

    monkeypatch.setattr(bench.kafka, "getmany", getmany)
    await bench.run_until({OTHER: 1} | ({ONE: 4} if ONE in assigned else {}))
    later = [["c"], ["d"]] if ONE in assigned else []
    assert sorted(bench.handled) == [["a"], ["b"], *later, ["z"]]
    assert bench.kafka.committed[ONE] == (4 if ONE in assigned else 2)


@pytest.mark.usefixtures("unclosed")
async def test_a_handler_that_leaves_its_only_record_has_it_again_with_what_has_come_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def handle(records: Sequence[Received]) -> Sequence[Received]:
        bench.handled.append([record.message.task_id for record in records])
        committed.append(bench.kafka.committed.get(ONE))
        bench.kafka.records[ONE] += ["new"] * (len(bench.handled) == 1)
        return records[:1] if len(bench.handled) < 3 else ()

    committed: list[int | None] = []
    bench = Bench(monkeypatch, handle=handle)
    bench.kafka.records[ONE] = ["a"]
    await bench.run_until({ONE: 2})
    assert bench.handled == [["a"], ["a", "new"], ["a"]]
    assert committed == [None, 0, 0]


@pytest.mark.usefixtures("unclosed")
async def test_a_record_that_is_left_when_a_batch_is_taken_apart_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(records: Sequence[Received]) -> Sequence[Received]:
        texts = [record.message.task_id for record in records]
        bench.handled.append(texts)
        if "poison" in texts:
            raise PoisonError("no")
        return records if texts == ["late"] and bench.handled.count(texts) == 1 else ()

    bench = Bench(monkeypatch, handle=handle)
    bench.kafka.records[ONE] = ["late", "poison"]
    await bench.run_until({ONE: 2})
    assert bench.handled == [["late", "poison"], ["late"], ["poison"], ["late"]]


@pytest.mark.usefixtures("unclosed")
async def test_what_a_handler_has_left_counts_for_the_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Positions] = []

    async def do(_: list[str]) -> None:
        shown.append(await bench.consumer._positions())

    bench = Bench(monkeypatch, do, at_once=2)
    bench.kafka.records[ONE] = ["a", "b", "c"]
    await bench.run_until({ONE: 3})
    assert [positions[ONE.topic, ONE.partition] for positions in shown] == [Position(0, 3), Position(2, 3)]
