"""What is done to replicas and to the parts that they stand on."""

import asyncio
import signal
from collections.abc import Sequence

from aiokafka.errors import KafkaError
from tests.faults.campaigns import LONGER_THAN_A_SESSION, Harm

from sluice_bench.kafka_groups import commit_ends
from sluice_common.settings import CommonSettings
from sluice_common.topics import Topic
from sluice_embedded.stack import Stack

_FROM_THE_BEGIN = 2**62
_GROUP_DEADLINE = 60.0


def one_killed_after_the_other(service: str) -> Harm:
    """SIGKILL hits each replica of a service when the last one serves again: whichever did the work is among them."""

    async def harm(stack: Stack) -> None:
        for name in stack.replicas(service):
            pid = stack.kill(name)
            await asyncio.to_thread(stack.wait_restarted, name, pid)

    return harm


def both_killed(service: str) -> Harm:
    """SIGKILL hits all replicas of a service at once."""

    async def harm(stack: Stack) -> None:
        killed = {name: stack.kill(name) for name in stack.replicas(service)}
        for name, pid in killed.items():
            await asyncio.to_thread(stack.wait_restarted, name, pid)

    return harm


def one_held_after_the_other(service: str, seconds: float = LONGER_THAN_A_SESSION) -> Harm:
    """SIGSTOP holds each replica beyond its session, so that the other takes over, and then goes on where it was."""

    async def harm(stack: Stack) -> None:
        for name in stack.replicas(service):
            stack.kill(name, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            stack.kill(name, signal.SIGCONT)

    return harm


def changed_one_by_one(services: Sequence[str], python: str) -> Harm:
    """Every replica ends in good order and another version of it, that of a checkout's Python, takes its place."""

    async def harm(stack: Stack) -> None:
        for service in services:
            for name in stack.replicas(service):
                await asyncio.to_thread(stack.change_version, name, python)

    return harm


def restarted(part: str) -> Harm:
    """A part ends in good order and is started again."""

    async def harm(stack: Stack) -> None:
        await asyncio.to_thread(stack.restart, part)

    return harm


def delivered_again(service: str, groups: Sequence[tuple[str, Topic]]) -> Harm:
    """A service finds all that its topics have had before it once more: the offsets of its groups are set to nought.

    Args:
        service: It is stopped meanwhile, as a group with members cannot be set.
        groups: Each group with the topic.
    """

    async def harm(stack: Stack) -> None:
        names = stack.replicas(service)
        await asyncio.gather(*(asyncio.to_thread(stack.stop_service, name) for name in names))
        common = CommonSettings(kafka_bootstrap=stack.endpoints.kafka_bootstrap)
        for group, topic in groups:
            await _set_back(common, group, topic)
        await asyncio.gather(*(asyncio.to_thread(stack.start_service, name) for name in names))

    return harm


async def _set_back(common: CommonSettings, group: str, topic: Topic) -> None:
    """Set a group to the begin of a topic, once Kafka does not miss its members any more."""
    async with asyncio.timeout(_GROUP_DEADLINE):
        while True:
            try:
                await commit_ends(common, group, [topic], behind=_FROM_THE_BEGIN)
            except KafkaError:
                await asyncio.sleep(1.0)
            else:
                return
