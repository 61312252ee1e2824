"""A process is ready when it has started, does not stop, and no part of it misses anything."""

import asyncio

import pytest

from sluice_common.operations import readiness
from sluice_common.operations.readiness import Readiness


def started() -> Readiness:
    state = Readiness()
    state.announce()
    return state


async def test_a_process_that_has_not_started_is_not_ready() -> None:
    assert await Readiness().reasons() == ["starting"]


async def test_a_process_that_has_started_and_requires_nothing_is_ready() -> None:
    assert await started().reasons() == []


async def test_a_process_that_stops_is_not_ready_though_all_its_parts_are() -> None:
    state = started()
    state.require("socket", lambda: None)
    state.withdraw()
    assert await state.reasons() == ["stopping"]


async def test_each_part_that_misses_something_is_a_reason() -> None:
    state = started()
    state.require("socket", lambda: None)
    state.require("commands", lambda: "not read yet")

    async def ping() -> None:
        raise OSError("refused")

    state.require("MongoDB", ping)
    assert await state.reasons() == ["commands: not read yet", "MongoDB: OSError('refused')"]


async def test_a_part_that_does_not_answer_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_ANSWER_SECONDS", 0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    state = started()
    state.require("MongoDB", hang)
    assert await state.reasons() == ["MongoDB: TimeoutError()"]


async def test_a_part_that_is_named_again_replaces_the_one_before() -> None:
    state = started()
    state.require("socket", lambda: "closed")
    state.require("socket", lambda: None)
    assert await state.reasons() == []
