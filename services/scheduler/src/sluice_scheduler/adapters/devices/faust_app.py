"""The Faust app of the stage `devices`: partitions, offsets, recovery and standby of `device-events`."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import faust
from faust.types import TP

from sluice_common.bus import AdminClient, create_topics
from sluice_common.errors import FatalError
from sluice_common.lifecycle import end_within
from sluice_common.resources import started
from sluice_common.topics import DEVICE_EVENTS, Topic
from sluice_scheduler.adapters.devices.faust_table import NewerWinsTable
from sluice_scheduler.adapters.devices.faust_transport import CommittedTransport
from sluice_scheduler.adapters.devices.fetching import EventOrder, Rebalances, SkippedEventError
from sluice_scheduler.settings import DevicesSettings

_NAME = "sluice-devices"
_RECORDS = "records"
_BATCH_DEADLINE = 5.0
"""Seconds of them that the batch in hand has."""
_STOP_DEADLINE = 15.0
"""Seconds that a process has to stop in good order."""
_SHOWN_DEADLINE, _SHOWN_POLL = 60.0, 0.1
"""Seconds until a topic that was created must be shown, and between two looks."""


class App(faust.App):
    """Faust's app, which knows which rebalances are over, and whether an event is skipped."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.rebalances = Rebalances()
        self.event_order = EventOrder()
        super().__init__(*args, **kwargs)

    @property
    def is_rebalancing(self) -> bool:
        """Return whether one has begun that is not over; Faust's own `rebalancing` is False where two overlap."""
        return not self.rebalances.are_over(self.rebalancing_count)

    def on_rebalance_end(self) -> None:
        """Note which one it was."""
        super().on_rebalance_end()
        self.rebalances.ended()


class MissingChangelogError(FatalError):
    """Partitions of events came without those of the changelog: records that there are would be taken for missing."""


def faust_app(settings: DevicesSettings) -> App:
    """Return the Faust app with what was measured to work; `exactly_once` is broken upstream (#177, #323, #517)."""
    folder = settings.devices_data_dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    app = App(
        _NAME,
        broker=[f"kafka://{server}" for server in settings.kafka_bootstrap.split(",")],
        store="rocksdb://",
        datadir=str(folder),
        Table=NewerWinsTable,
        processing_guarantee="at_least_once",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_allow_declare=True,
        topic_disable_leader=True,
        table_standby_replicas=settings.devices_standbys,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        broker_session_timeout=settings.devices_session_timeout,
        broker_heartbeat_interval=settings.devices_session_timeout / 5,
        producer_linger=settings.linger,
        stream_buffer_maxsize=2 * settings.devices_batch,
        web_enabled=False,
        autodiscover=False,
    )
    app.transport = CommittedTransport(app.conf.broker_consumer, app)
    return app


def records_table(app: faust.App, partitions: int) -> Any:
    """Return the table of the devices' records."""
    return app.Table(_RECORDS, key_type=bytes, value_type=bytes, partitions=partitions)


async def create_changelog(table: Any, settings: DevicesSettings) -> None:
    """Create the changelog of the table unless it is there.

    Faust creates it, too, but after it has joined its group. Until its client read anew which topics there are, five
    minutes later, it dealt out partitions of events without their records ("Ignoring missing topic"): whoever took one
    over from a process that had died knew none of its devices.

    Raises:
        KafkaError: Kafka cannot be reached, or refuses to create it.
        TimeoutError: Kafka does not show it within `_SHOWN_DEADLINE`.
    """
    changelog = Topic(table.changelog_topic.get_topic_name(), None, {"cleanup.policy": "compact"})
    await create_topics(settings, [changelog])
    async with started(AdminClient(bootstrap_servers=settings.kafka_bootstrap)) as admin:
        async with asyncio.timeout(_SHOWN_DEADLINE):
            # What has been created is shown a moment later, and who joins before that would not know it.
            while not is_shown(await admin.describe_topics([changelog.name]), settings.partitions):  # noqa: ASYNC110 - Kafka tells nobody
                await asyncio.sleep(_SHOWN_POLL)


def is_shown(topics: Iterable[Mapping[str, Any]], partitions: int) -> bool:
    """Return whether brokers show a topic with all its partitions, each with a leader."""
    found = [partition for topic in topics for partition in topic["partitions"]]
    return len(found) == partitions and all(partition["leader"] >= 0 for partition in found)


def without_changelog(assigned: Iterable[TP], changelog: str) -> set[int]:
    """Return the partitions of events that are assigned without those of their changelog."""
    partitions: dict[str, set[int]] = {DEVICE_EVENTS.name: set(), changelog: set()}
    for tp in assigned:
        partitions[tp.topic].add(tp.partition)
    return partitions[DEVICE_EVENTS.name] - partitions[changelog]


def consume(
    app: App,
    table: Any,
    take: Callable[[AsyncIterable[Any]], Awaitable[None]],
    take_over: Callable[[set[int]], None],
    give_up: Callable[[], Awaitable[None]],
) -> None:
    """Have the app hand over events, and say what becomes of partitions.

    Args:
        app: The app.
        table: The table whose recovery is waited for.
        take: Takes all events; each is to be acknowledged.
        take_over: Called when the records of all partitions that this worker owns now have been recovered.
        give_up: Called when partitions are taken away.
    """
    topic = app.topic(
        DEVICE_EVENTS.name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )

    async def devices(stream: Any) -> None:
        await take(_in_order(stream.noack().events(), app))

    async def recovered(*_: Any) -> None:
        app.rebalances.recovered()
        try:
            take_over({tp.partition for tp in app.consumer.assignment() if tp.topic == DEVICE_EVENTS.name})
        except Exception as error:
            await app.crash(error)  # Faust forgets what is raised here, and would go on without deadlines
            raise

    async def revoked(*_: Any, **__: Any) -> None:
        await give_up()

    async def assigned(*_: Any, **__: Any) -> None:
        app.rebalances.assigned(app.rebalancing_count)
        changelog = table.changelog_topic.get_topic_name()
        if incomplete := without_changelog(app.assignor.assigned_actives(), changelog):
            raise MissingChangelogError(f"partitions {sorted(incomplete)} were assigned without {changelog}")

    app.agent(topic, name="devices", concurrency=1)(devices)
    app.on_partitions_assigned.connect(assigned)
    table.on_recover(recovered)
    app.on_partitions_revoked.connect(revoked)


async def _in_order(events: AsyncIterable[Any], app: App) -> AsyncIterator[Any]:
    """Hand events over; crash the app instead of one before which another was skipped."""
    async for event in events:
        try:
            if app.event_order.may_take(event.message.tp, event.message.offset):
                yield event
        except SkippedEventError as error:
            await app.crash(error)
            return


def missing(app: Any) -> str | None:
    """Return what the app waits for before it works on the events of its partitions; None if for nothing."""
    if app.is_rebalancing:
        return "its partitions are not assigned yet"
    return "its records are not recovered yet" if app.tables.recovery.in_recovery else None


async def run_app(app: faust.App, serve: Callable[[], Awaitable[None]], end: Callable[[], Awaitable[None]]) -> None:
    """Run the app, and `serve` once all records have been recovered, until cancelled; before it stops, `end`.

    This process ends within seconds after that, whatever Faust does.

    Raises:
        BaseException: What the app or `serve` failed with.
    """
    app.task(serve)
    running = asyncio.ensure_future(_until_stopped(app))  # unsupervised: awaited at once
    try:
        # Not cancelled in the middle of its start, which Faust takes for a crash, but stopped.
        await asyncio.shield(running)
    finally:
        # Faust was seen to stop for ever after Kafka had been away, in a group that did not know it any more.
        end_within(_STOP_DEADLINE)
        with suppress(TimeoutError):
            async with asyncio.timeout(_BATCH_DEADLINE):
                await end()  # what is acknowledged by now is committed as the app stops
        await app.stop()
        running.cancel()


async def _until_stopped(app: faust.App) -> None:
    """Start the app, wait until it stops, and raise what it has crashed with."""
    await app.start()
    await app.wait_until_stopped()
    if app.crash_reason is not None:
        raise app.crash_reason
