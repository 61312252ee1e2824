"""One cell window as data: who holds a slot, who waits in which order, and what of it has changed.

The rules that move attempts between holding and waiting stand in `admit`, the order of serving in `rounds`; this module
keeps them cheap. Every change is noted ticket by ticket, so that a queue of 50,000 is stored as the few entries that a
request touched (`docs/upgrade.md`, "Sleeping devices").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from sluice_common.messages.base import Value
from sluice_common.messages.slots import Grant, WindowKey
from sluice_rules.cells.rounds import Queued, Rounds

Ticket = tuple[str, int]
"""A place in the queue: execution id and attempt."""


@dataclass(frozen=True, slots=True)
class WindowRules:
    """The figures of one window's rules (R067–R072, R076).

    Attributes:
        limit: Most attempts that hold a slot at the same time.
        begin_margin: Seconds that a waiter must stay awake for a grant not to be wasted on it.
        probe_interval: Seconds of silence after which a holder is asked whether it still needs its slot.
    """

    limit: int
    begin_margin: float
    probe_interval: float


class Waiter(Value, frozen=True, kw_only=True, array_like=True, tag="waiter"):
    """An attempt that waits for a slot.

    Attributes:
        execution_id: With `attempt` the ticket.
        attempt: The attempt; an execution waits with its newest one only.
        app_id: Tenant of the execution; windows span apps (D02).
        device_id: Where the grant goes.
        position: Place in the queue: of those of an app that are awake the lowest is served first.
        ask_no: Number of the newest ask, hence of the grant that answers it.
        awake_until: Seconds since 1970 after which a grant is wasted.
        traceparent: Trace context of the ask.
    """

    execution_id: str
    attempt: int
    app_id: str
    device_id: str
    position: int
    ask_no: int
    awake_until: float
    traceparent: str | None = None

    @property
    def grant(self) -> Grant:
        """The name that a grant in answer to the newest ask has."""
        return Grant(execution_id=self.execution_id, attempt=self.attempt, ask_no=self.ask_no)


class Holder(Value, frozen=True, kw_only=True, array_like=True, tag="holder"):
    """An attempt that holds a slot.

    Attributes:
        grant: The name of its grant.
        app_id: Tenant of the execution.
        device_id: Where a probe goes.
        position: Its place in the queue, should it give back the slot but not the ticket.
        deadline: Seconds since 1970 after which it is probed if it was silent.
    """

    grant: Grant
    app_id: str
    device_id: str
    position: int
    deadline: float


Entry = Waiter | Holder
"""What is stored of one ticket; a ticket waits or holds, never both."""


def ticket_of(grant: Grant) -> Ticket:
    """Return the ticket of a grant or of an ask."""
    return grant.execution_id, grant.attempt


class Window:
    """The holders and waiters of one (cell, coverage class).

    Leaves out what is due to whom (`admit`), bytes, time and storage.

    Attributes:
        key: Its name.
        rules: Its figures.
        holders: Who holds a slot; more than the limit only after a forgotten holder was put back.
        waiters: Who waits, by execution id.
    """

    def __init__(self, key: WindowKey, rules: WindowRules, entries: Mapping[Ticket, Entry] | None = None) -> None:
        """Make an empty window, or restore one from all its stored entries."""
        self.key = key
        self.rules = rules
        self.holders: dict[Ticket, Holder] = {}
        self.waiters: dict[str, Waiter] = {}
        for ticket, entry in (entries or {}).items():
            if isinstance(entry, Holder):
                self.holders[ticket] = entry
            else:
                self.waiters[entry.execution_id] = entry
        self._rounds = Rounds()
        for waiter in sorted(self.waiters.values(), key=attrgetter("position")):
            self._rounds.join(waiter.app_id, (waiter.position, waiter.execution_id))
        self._asleep: set[str] = set()
        self._next_position = 1 + max((entry.position for entry in (entries or {}).values()), default=-1)
        self._changes: dict[Ticket, Entry | None] = {}
        self._before: dict[Ticket, Entry | None] = {}

    @property
    def entries(self) -> dict[Ticket, Entry]:
        """All entries; a window restored from them decides as this one does."""
        waiting: dict[Ticket, Entry] = {(w.execution_id, w.attempt): w for w in self.waiters.values()}
        return waiting | self.holders

    @property
    def has_free_slot(self) -> bool:
        """Return whether a grant keeps the limit."""
        return len(self.holders) < self.rules.limit

    @property
    def is_empty(self) -> bool:
        """Return whether nobody holds or waits, so that nothing is lost with the window."""
        return not self.holders and not self.waiters

    def take_changes(self) -> dict[Ticket, Entry | None]:
        """Return the entries changed since the last call, None for those gone."""
        changes, self._changes, self._before = self._changes, {}, {}
        return changes

    def as_last_taken(self) -> "Window":
        """Return the window as it was before the changes since the last `take_changes`."""
        entries = self.entries | self._before
        return Window(self.key, self.rules, {ticket: e for ticket, e in entries.items() if e is not None})

    def next_position(self) -> int:
        """Return the position behind all that wait."""
        position = self._next_position
        self._next_position += 1
        return position

    def wait(self, waiter: Waiter) -> None:
        """Queue a waiter, or put its newer ask in its place; it is offered slots (again) from now on."""
        old = self.waiters.get(waiter.execution_id)
        if old is not None and old.attempt != waiter.attempt:
            self.leave(old)
            old = None
        self.waiters[waiter.execution_id] = waiter
        self._note((waiter.execution_id, waiter.attempt), old, waiter)
        if old is None or waiter.execution_id in self._asleep:
            self._asleep.discard(waiter.execution_id)
            self._rounds.join(waiter.app_id, (waiter.position, waiter.execution_id))

    def leave(self, waiter: Waiter) -> None:
        """Take a waiter out; its place in the heap is dropped when it comes up."""
        del self.waiters[waiter.execution_id]
        self._asleep.discard(waiter.execution_id)
        self._note((waiter.execution_id, waiter.attempt), waiter, None)

    def first_awake(self, until: float) -> Waiter | None:
        """Return who is served next of those awake until then."""
        queued = self._rounds.first(partial(self._is_awake, until))
        return None if queued is None else self.waiters[queued[1]]

    def serve(self, waiter: Waiter) -> None:
        """Take out the waiter that was returned last: it gets a slot."""
        self._rounds.serve()
        self.leave(waiter)

    def _is_awake(self, until: float, queued: Queued) -> bool:
        position, execution_id = queued
        waiter = self.waiters.get(execution_id)
        if waiter is None or waiter.position != position:
            return False
        if waiter.awake_until >= until:
            return True
        self._asleep.add(execution_id)
        return False

    def hold(self, holder: Holder) -> None:
        """Give a slot, rename its grant or move its deadline."""
        ticket = ticket_of(holder.grant)
        self._note(ticket, self.holders.get(ticket), holder)
        self.holders[ticket] = holder

    def free(self, holder: Holder) -> None:
        """Take a slot back."""
        ticket = ticket_of(holder.grant)
        self._note(ticket, self.holders.pop(ticket), None)

    def _note(self, ticket: Ticket, before: Entry | None, after: Entry | None) -> None:
        self._before.setdefault(ticket, before)
        self._changes[ticket] = after
