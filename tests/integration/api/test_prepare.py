"""The first thing of an installation, as a process of its own, against a real Kafka and a real MongoDB-wire server."""

import os
import subprocess
import sys

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from sluice_common.topics import ALL_TOPICS


def prepare(step: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sluice_api.entrypoints.prepare", step],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_topics_are_there_after_it_and_it_may_be_repeated(kafka: str) -> None:
    for _ in range(2):
        assert prepare("topics", SLUICE_KAFKA_BOOTSTRAP=kafka).returncode == 0
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        assert {topic.name for topic in ALL_TOPICS} <= set(await admin.list_topics())
    finally:
        await admin.close()


def test_indexes_are_there_after_it_and_it_may_be_repeated(mongodb: str, database_name: str) -> None:
    for _ in range(2):
        done = prepare("indexes", SLUICE_MONGODB_URI=mongodb, SLUICE_MONGODB_DATABASE=database_name)
        assert done.returncode == 0, done.stderr
    with MongoClient[dict[str, object]](mongodb) as client:
        assert len(list(client[database_name]["devices"].list_indexes())) > 1


def test_what_an_older_version_refused_is_allowed_after_it(mongodb: str, database_name: str) -> None:
    with MongoClient[dict[str, object]](mongodb) as client:
        devices = client[f"{database_name}-older"]["devices"]
        devices.create_index("endpoint", unique=True)  # names were unique on the platform
        devices.insert_one({"_id": "1", "app_id": "a", "endpoint": "meter"})
        done = prepare("indexes", SLUICE_MONGODB_URI=mongodb, SLUICE_MONGODB_DATABASE=f"{database_name}-older")
        assert done.returncode == 0, done.stderr
        devices.insert_one({"_id": "2", "app_id": "b", "endpoint": "meter"})
        with pytest.raises(DuplicateKeyError):
            devices.insert_one({"_id": "3", "app_id": "b", "endpoint": "meter"})


def test_it_fails_where_kafka_is_not() -> None:
    done = prepare("topics", SLUICE_KAFKA_BOOTSTRAP="127.0.0.1:9")
    assert done.returncode == 1
    assert "not_prepared" in done.stderr
