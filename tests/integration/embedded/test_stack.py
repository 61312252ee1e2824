"""A real Kafka and a real MongoDB-wire server, started, killed, held and stopped by the supervisor."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest
from pymongo import MongoClient

from sluice_common.bus import AdminClient
from sluice_common.resources import started
from sluice_common.topics import ALL_TOPICS
from sluice_embedded.adapters.processes import started_at
from sluice_embedded.adapters.sockets import PortTakenError
from sluice_embedded.running import AlreadyRunningError, NotRunningError, RunningStack, reset
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack


@pytest.fixture
def settings(stack_settings: EmbeddedSettings) -> EmbeddedSettings:
    return stack_settings


@pytest.fixture
def mongodb_alone(settings: EmbeddedSettings) -> Iterator[Stack]:
    with Stack(settings, services={"mongodb"}) as stack:
        yield stack


async def test_kafka_has_all_topics_with_their_partitions(kafka: str) -> None:
    async with started(AdminClient(bootstrap_servers=kafka)) as admin:
        described = await admin.describe_topics([topic.name for topic in ALL_TOPICS])
    assert {topic["topic"]: len(topic["partitions"]) for topic in described} == {t.name: 12 for t in ALL_TOPICS}


def test_acknowledged_writes_survive_a_kill_and_the_server_comes_back(mongodb_alone: Stack) -> None:
    with MongoClient[dict[str, int]](mongodb_alone.endpoints.mongodb_uri) as client:
        client.db.things.insert_many([{"_id": n} for n in range(50)])
        old = mongodb_alone.kill("mongodb", signal.SIGKILL)
        mongodb_alone.wait_restarted("mongodb", old)
        assert client.db.things.count_documents({}) == 50
    assert mongodb_alone.pid("mongodb") != old
    assert mongodb_alone.endpoints.pids["mongodb"] == mongodb_alone.pid("mongodb")


def test_cpu_time_counts_processes_that_ended(mongodb_alone: Stack) -> None:
    before = mongodb_alone.cpu_seconds()["mongodb"]
    old = mongodb_alone.kill("mongodb")
    mongodb_alone.wait_restarted("mongodb", old)
    assert mongodb_alone.cpu_seconds()["mongodb"] > before > 0


def test_stop_ends_a_process_that_is_held(settings: EmbeddedSettings) -> None:
    stack = Stack(settings, services={"mongodb"})
    stack.start()
    pid = stack.kill("mongodb", signal.SIGSTOP)
    stack.stop()
    assert started_at(pid) is None


def test_a_second_start_on_the_same_state_is_refused(mongodb_alone: Stack, settings: EmbeddedSettings) -> None:
    with pytest.raises(AlreadyRunningError):
        Stack(settings, services={"mongodb"}).start()
    assert mongodb_alone.pid("mongodb")


def test_reset_is_refused_while_running_and_wipes_afterwards(settings: EmbeddedSettings) -> None:
    with Stack(settings, services={"mongodb"}), pytest.raises(AlreadyRunningError):
        reset(settings)
    reset(settings)
    assert not settings.data.exists()


def test_a_running_stack_is_found_by_others_until_it_stops(settings: EmbeddedSettings) -> None:
    assert RunningStack.find(settings) is None
    with Stack(settings, services={"mongodb"}) as stack:
        found = RunningStack.find(settings)
        assert found is not None
        assert found.endpoints == stack.endpoints
    assert RunningStack.find(settings) is None
    with pytest.raises(NotRunningError):
        found.pid("mongodb")


def test_a_service_can_be_kept_down_and_started_again(mongodb_alone: Stack) -> None:
    old = mongodb_alone.pid("mongodb")
    mongodb_alone.stop_service("mongodb")
    time.sleep(1.0)
    with pytest.raises(NotRunningError):
        mongodb_alone.pid("mongodb")
    mongodb_alone.start_service("mongodb")
    assert mongodb_alone.pid("mongodb") != old


def test_a_taken_port_is_named_with_its_owner(settings: EmbeddedSettings) -> None:
    port = settings.port_base + 3
    message = rf"{port}.*mongodb.*process {os.getpid()} "
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortTakenError, match=message):
        Stack(settings, services={"mongodb"}).start()
    with Stack(settings, services={"mongodb"}) as stack:
        assert stack.pid("mongodb")


async def test_given_clusters_are_used_and_no_part_is_started(
    kafka: str, mongodb: str, database_name: str, stack_settings: EmbeddedSettings
) -> None:
    settings = stack_settings.model_copy(
        update={"kafka_bootstrap": kafka, "mongodb_uri": mongodb, "mongodb_database": database_name}
    )
    stack = Stack(settings, services={"kafka", "mongodb", "signing"})
    endpoints = await asyncio.to_thread(stack.start)
    try:
        assert list(endpoints.pids) == ["signing"]
        assert (endpoints.kafka_bootstrap, endpoints.mongodb_uri) == (kafka, mongodb)
    finally:
        await asyncio.to_thread(stack.stop)
