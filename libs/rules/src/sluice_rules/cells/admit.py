"""`admit`: what a request to a cell window changes, and whom it gives a slot (`docs/upgrade.md`, "The slot protocol").

The rules of R067–R076 and R087 over `Window`. They know no clock, socket or Kafka: time comes from the request
only, so that a replay decides the same. What a request may see out of order or twice is met by numbers: a ticket's
asks are numbered, and whatever carries a lower number than what the window knows of that ticket is late.
"""

from dataclasses import dataclass, field

from msgspec.structs import replace

from sluice_common.messages.cell_requests import CellRequest, ProbeDue, SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import SlotGranted, SlotProbed
from sluice_common.messages.slots import Grant
from sluice_rules.cells.window import Entry, Holder, Ticket, Waiter, Window, ticket_of

WindowEvent = SlotGranted | SlotProbed


@dataclass(frozen=True, slots=True)
class Admission:
    """What follows from one request; the shell makes all of it durable at once or nothing.

    Attributes:
        events: Grants and probes, each to its device.
        changes: Stored entries of the window that changed, by ticket; None for those gone.
    """

    events: list[WindowEvent] = field(default_factory=list)
    changes: dict[Ticket, Entry | None] = field(default_factory=dict)


def admit(window: Window, request: CellRequest) -> Admission:
    """Apply a request to its window, in place, and return what follows.

    Every request ends with giving the free slots, in rounds of the apps, to waiters that are awake long enough, so that
    no slot idles beside one (invariant 6). Only a return frees a slot; time alone never does.
    """
    events: list[WindowEvent] = []
    match request:
        case SlotAsk():
            _ask(window, request, events)
        case SlotReturn():
            _return(window, request)
        case SlotHold():
            _hold(window, request)
        case ProbeDue():
            _probe(window, request, events)
    _give(window, request, events)
    return Admission(events, window.take_changes())


def _ask(window: Window, ask: SlotAsk, events: list[WindowEvent]) -> None:
    """Queue the ticket, refresh it under its old position, or send a holder its grant (again)."""
    grant = ask.grant
    holder = window.holders.get(ticket_of(grant))
    if holder is not None:
        if grant.ask_no > holder.grant.ask_no:
            holder = _holder(window, ask, holder.position)
            window.hold(holder)
        if grant.ask_no == holder.grant.ask_no:
            events.append(_granted(window, ask, holder, ask.traceparent))
        return
    waiter = window.waiters.get(grant.execution_id)
    if waiter is not None and (grant.attempt, grant.ask_no) <= (waiter.attempt, waiter.ask_no):
        return
    same_ticket = waiter is not None and waiter.attempt == grant.attempt
    window.wait(
        Waiter(
            execution_id=grant.execution_id,
            attempt=grant.attempt,
            app_id=ask.app_id,
            device_id=ask.device_id,
            position=waiter.position if waiter is not None and same_ticket else window.next_position(),
            ask_no=grant.ask_no,
            awake_until=ask.awake_until.timestamp(),
            traceparent=ask.traceparent,
        )
    )


def _return(window: Window, returned: SlotReturn) -> None:
    """Free the slot of the ticket, or its place in the queue, unless it has asked anew since."""
    grant = returned.grant
    holder = window.holders.get(ticket_of(grant))
    waiter = window.waiters.get(grant.execution_id)
    if holder is not None and holder.grant.ask_no <= grant.ask_no:
        window.free(holder)
        if returned.keep_place and waiter is None:
            window.wait(_asleep(holder, grant))
    elif waiter is not None and not returned.keep_place and _answers(grant, waiter):
        window.leave(waiter)


def _hold(window: Window, hold: SlotHold) -> None:
    """Move a holder's deadline on; put one back that the window has forgotten, even above the limit."""
    grant = hold.grant
    holder = window.holders.get(ticket_of(grant))
    if holder is not None:
        renewed = _holder(window, hold, holder.position)
        if (renewed.grant.ask_no, renewed.deadline) > (holder.grant.ask_no, holder.deadline):
            window.hold(renewed)
        return
    waiter = window.waiters.get(grant.execution_id)
    if waiter is None or waiter.attempt > grant.attempt:
        window.hold(_holder(window, hold, window.next_position()))
    elif (waiter.attempt, waiter.ask_no) <= (grant.attempt, grant.ask_no):
        window.leave(waiter)
        window.hold(_holder(window, hold, waiter.position))


def _probe(window: Window, due: ProbeDue, events: list[WindowEvent]) -> None:
    """Ask a holder that was silent past exactly this deadline whether it still needs its slot."""
    holder = window.holders.get(ticket_of(due.grant))
    if holder is None or holder.grant != due.grant or holder.deadline != due.deadline:
        return
    window.hold(replace(holder, deadline=due.at + window.rules.probe_interval))
    events.append(
        SlotProbed(
            app_id=holder.app_id,
            occurred_at=due.occurred_at,
            device_id=holder.device_id,
            window=window.key,
            grant=holder.grant,
        )
    )


def _give(window: Window, request: CellRequest, events: list[WindowEvent]) -> None:
    """Give the free slots, in rounds of the apps, to those who are awake long enough to begin."""
    now = request.at
    while window.has_free_slot:
        waiter = window.first_awake(now + window.rules.begin_margin)
        if waiter is None:
            return
        holder = Holder(
            grant=waiter.grant,
            app_id=waiter.app_id,
            device_id=waiter.device_id,
            position=waiter.position,
            deadline=now + window.rules.probe_interval,
        )
        window.serve(waiter)
        window.hold(holder)
        events.append(_granted(window, request, holder, waiter.traceparent))


def _holder(window: Window, request: SlotAsk | SlotHold, position: int) -> Holder:
    return Holder(
        grant=request.grant,
        app_id=request.app_id,
        device_id=request.device_id,
        position=position,
        deadline=request.at + window.rules.probe_interval,
    )


def _asleep(holder: Holder, returned: Grant) -> Waiter:
    """Return the holder as a waiter under its old position that sleeps until it asks anew."""
    return Waiter(
        execution_id=returned.execution_id,
        attempt=returned.attempt,
        app_id=holder.app_id,
        device_id=holder.device_id,
        position=holder.position,
        ask_no=returned.ask_no,
        awake_until=0.0,
    )


def _answers(returned: Grant, waiter: Waiter) -> bool:
    """Return whether a return means this waiter's ask, or a later one of its ticket."""
    return waiter.attempt == returned.attempt and waiter.ask_no <= returned.ask_no


def _granted(window: Window, request: CellRequest, holder: Holder, traceparent: str | None) -> SlotGranted:
    return SlotGranted(
        app_id=holder.app_id,
        occurred_at=request.occurred_at,
        traceparent=traceparent,
        device_id=holder.device_id,
        window=window.key,
        grant=holder.grant,
    )
