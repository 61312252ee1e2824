"""Whatever a device tells, in whatever order: its attempt ends with a reason or goes on, and is asked nothing twice."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import OutcomeStatus, RequestResult
from sluice_common.messages.execution_events import ExecutionChanged, Step
from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequests, Lwm2mCommand
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_rules.devices.attempt import SlotState
from sluice_rules.devices.effects import ToGateway
from sluice_rules.devices.judgements import DOWNLOADED, IDLE

DAY = 86_400.0
RESULTS = [*range(12), 42]
FAILURES = [2, 4, 5, 7, 8, 9, 10, 42, -1]
BUSY = st.lists(st.booleans(), max_size=4)
MAX_DEADLINES = 400


class Device:
    """A device that tells the truth about itself, when it is not too busy for that."""

    def __init__(self, story: Story, **truth: Any) -> None:
        self.story = story
        self.truth = {"/3/0/3": "1.0", "/5/0/3": 0, "/5/0/5": 0, **truth}
        self.answered: set[str] = set()
        self.busy: list[bool] = []

    def settle(self) -> None:
        """Answer everything that is asked; time passes only as far as the device itself has asked for it."""
        for _ in range(50):
            commands = [e.command for e in self.story.all(ToGateway) if e.command.command_id not in self.answered]
            if commands:
                self._answer(commands[0])
            elif not self.story.is_at(Step.ENDED) and self.story.execution.ask_at:
                self.story.deadline()
            else:
                return
        raise AssertionError("asked for ever")

    def _answer(self, command: Lwm2mCommand) -> None:
        self.answered.add(command.command_id)
        results: list[RequestResult] = []
        for request in command.requests if isinstance(command, DeviceRequests) else ():
            path = getattr(request, "path", "/5/0/1")
            if self.busy and self.busy.pop():
                results.append(self.story.busy(path, 1))
                break
            value = self.truth.get(path)
            results.append(self.story.changed(path) if value is None else self.story.read(path, value))
        self.story.outcome(command, results=tuple(results))


def tell(device: Device, state: int, how: str) -> None:
    """The device is in a state and says so, or only that it is there."""
    device.truth["/5/0/3"] = state
    if how == "notifies":
        device.story.notify(state)
    elif how == "registers":
        device.story.register()
    else:
        device.story.deregister().uplink()
    device.settle()


HOW = st.sampled_from(["notifies", "registers", "wakes"])


@given(
    before=st.sampled_from(RESULTS),
    resets=st.booleans(),
    tells=st.lists(st.tuples(st.sampled_from([0, 1]), HOW), max_size=4),
    failure=st.sampled_from(FAILURES),
    how=HOW,
    busy=BUSY,
)
def test_a_download_ends_without_a_deadline_once_the_device_has_told_that_it_has_failed(
    *, before: int, resets: bool, tells: list[tuple[int, str]], failure: int, how: str, busy: list[bool]
) -> None:
    story = Story().reach(Step.OBSERVE)
    device = Device(story, **{"/5/0/5": before})
    device.answered = {e.command.command_id for e in story.all(ToGateway)}
    story.accept_uri(0, before)
    device.truth["/5/0/5"] = 0 if resets else before
    for state, way in tells:
        if story.is_at(Step.ENDED):
            return
        tell(device, state, way)
    if story.is_at(Step.ENDED) or failure == before:
        return
    device.truth["/5/0/5"], device.busy = failure, busy
    tell(device, IDLE, how)
    assert story.is_at(Step.ENDED)
    assert story.params == {"result": str(failure)}


@given(
    tells=st.lists(st.sampled_from([1, 2, 3]), max_size=4),
    end=st.sampled_from(
        [("2.0", 0, 1), ("2.0", 0, 8), ("2.0", 0, 0), ("1.0", 0, 8), ("1.0", 2, 8), ("1.0", 0, 10), ("1.0", 0, 42)]
    ),
    how=HOW,
    busy=BUSY,
)
def test_an_update_ends_without_a_deadline_once_the_device_has_told_how_it_ended(
    tells: list[int], end: tuple[str, int, int], how: str, busy: list[bool]
) -> None:
    story = Story().reach(Step.UPDATING)
    device = Device(story)
    device.answered = {e.command.command_id for e in story.all(ToGateway)}
    story.answer(story.changed("/5/0/2"))
    version, state, result = end
    device.truth["/5/0/3"] = DOWNLOADED
    for notified in tells:
        tell(device, notified, "notifies")
    device.truth |= {"/3/0/3": version, "/5/0/5": result}
    device.busy = busy
    tell(device, state, "registers" if state else how)
    assert story.is_at(Step.ENDED)
    assert (story.status.value == "SUCCEEDED") == (version == "2.0")
    assert story.status.value == "SUCCEEDED" or story.reason


# Chaos: nothing of what a device or its gateway says need make sense.

PATHS = ["/3/0/3", "/4/0", "/4/0/8", "/5/0/0", "/5/0/1", "/5/0/2", "/5/0/3", "/5/0/5", "/5/0/7"]
VALUES = st.one_of(st.none(), st.integers(-1, 12), st.sampled_from(["1.0", "2.0", "", "x", 1e300, 10**30]))
ANSWERS = st.builds(
    lambda code, value, error: (code, value, error),
    st.sampled_from(["2.05", "2.04", "4.04", "4.05", "5.00", "5.03", "4.29", "7.31"]),
    VALUES,
    st.sampled_from([None, None, None, "not understood"]),
)
EVENTS = st.one_of(
    st.tuples(st.just("answer"), st.lists(ANSWERS, max_size=3)),
    st.tuples(st.just("good"), st.none()),
    st.tuples(st.just("notify"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["register", "uplink", "deregister", "deadline", "stop", "grant"]), st.none()),
    st.tuples(st.sampled_from(["asleep", "timeout", "stale", "already_sent"]), st.none()),
)


class Chaos:
    """A story in which anything may happen, and the gateway that holds what is under way."""

    def __init__(self) -> None:
        self.story = Story()
        policy = UpgradePolicy(max_retries=1, retry_interval=60.0, end_at=utc(self.story.now + DAY))
        self.story.register().request(policy=policy)
        self.under_way: list[DeviceRequests] = []
        self.seen = 0

    def happen(self, kind: str, detail: Any) -> None:
        """Let something happen, and look at what follows."""
        if kind in ("answer", "good"):
            self._answer(None if kind == "good" else detail)
        elif kind in ("asleep", "timeout", "stale", "already_sent"):
            self._end(OutcomeStatus(kind))
        elif kind == "register":
            self._end(OutcomeStatus.TIMEOUT)  # as the gateway does before it reports the registration
            self.story.register()
        elif not self.story.is_at(Step.ENDED):
            simple: dict[str, Callable[[], Any]] = {
                "notify": lambda: self.story.notify(detail),
                "uplink": self.story.uplink,
                "deregister": self.story.deregister,
                "deadline": self.story.deadline,
                "stop": self.story.stop,
                "grant": self._grant,
            }
            simple[kind]()
        self.check()

    def _grant(self) -> None:
        if self.story.execution.attempt.slot is SlotState.ASKED:
            self.story.grant()

    def _answer(self, answers: list[tuple[str, Any, str | None]] | None) -> None:
        if not self.under_way:
            return
        paths = [getattr(request, "path", "/5/0/1") for request in self.under_way[0].requests]
        if answers is None:
            values: dict[str, Any] = {"/3/0/3": "1.0", "/5/0/3": 0, "/5/0/5": 0, "/4/0/8": 77}
            values["/4/0"] = None
            results = [
                RequestResult(path=p, code="2.05", values=values if p == "/4/0" else {p: values.get(p)}) for p in paths
            ]
        else:
            results = [self._result(path, *answer) for path, answer in zip(paths, answers, strict=False)]
        self._end(OutcomeStatus.DONE, tuple(results))

    def _result(self, path: str, code: str, value: Any, error: str | None) -> RequestResult:
        max_age = 30 if code in ("5.03", "4.29") else None
        values = {path: value} if code == "2.05" and error is None else {}
        return RequestResult(path=path, code=code, values=values, error=error, max_age=max_age)

    def _end(self, status: OutcomeStatus, results: tuple[RequestResult, ...] = ()) -> None:
        if self.under_way:
            self.story.outcome(self.under_way.pop(0), status, results)

    def check(self) -> None:
        """Take what is sent; nothing may be asked that is under way already, and every wait has its deadline."""
        sent = self.story.all(ToGateway)
        for effect in sent[self.seen :]:
            command = effect.command
            if isinstance(command, CloseDownload):
                self.under_way.clear()
                self.story.outcome(command)
                continue
            self.under_way = [c for c in self.under_way if c.expires_at.timestamp() > self.story.now]
            pending = [request for c in self.under_way for request in c.requests]
            assert not set(map(repr, command.requests)) & set(map(repr, pending)), "asked while it is under way"
            self.under_way.append(command)
        more = len(self.story.all(ToGateway)) > len(sent)
        self.seen = len(sent)
        if more:
            self.check()
        if not self.story.is_at(Step.ENDED):
            assert self.story.now - DAY < self.story.execution.deadline < self.story.now + 2 * DAY

    def run_out(self) -> None:
        """Nobody says anything any more."""
        for _ in range(MAX_DEADLINES):
            if self.story.is_at(Step.ENDED):
                return
            self.happen("deadline", None)
        raise AssertionError("never ends")


@given(events=st.lists(EVENTS, max_size=60))
def test_whatever_happens_nothing_is_asked_twice_at_once_and_the_execution_ends_once_with_a_reason(
    events: list[tuple[str, Any]],
) -> None:
    chaos = Chaos()
    chaos.check()
    for kind, detail in events:
        chaos.happen(kind, detail)
        if chaos.story.is_at(Step.ENDED):
            break
    chaos.run_out()
    final = [s for s in chaos.story.all(ExecutionChanged) if s.status.is_final]
    assert len(final) == 1
    assert final[0].status.value == "SUCCEEDED" or final[0].reason
    msgspec.msgpack.encode(chaos.story.device)
