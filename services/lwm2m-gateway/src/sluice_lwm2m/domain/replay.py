"""Commands that a restart meets again: which of them must not be sent a second time.

Commands are committed only when answered, so those that were in flight when a gateway died are read again, together
with later ones that were answered already. Reads and observations are simply repeated. Others must not be:

1. An Execute or a Package URI that the registration names, and those before it: they were sent, or may have been
   (invariant 5; a device that is done with an attempt would begin it again without a slot).
2. What an attempt asked before a later command closes it: a Package URI would re-open the fence.
3. A close after which the attempt begins again, with another slot: that was done only when the close had been answered,
   and to close once more would fence the new download.
"""

from collections.abc import Callable, Iterable
from types import UnionType

from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequests, Execute, Lwm2mCommand, WritePackageUri
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.domain.records import attempt_of, is_closed_by


def sent_before(backlog: Iterable[Lwm2mCommand], registration: Callable[[str], Registration | None]) -> frozenset[str]:
    """Return the ids of Executes and Package URIs that were sent, or may have been, before the restart."""
    so_far: dict[str, list[str]] = {}
    sent: set[str] = set()
    for command in backlog:
        if not isinstance(command, DeviceRequests) or not _has(command, Execute | WritePackageUri):
            continue
        earlier = so_far.setdefault(command.device_id, [])
        earlier.append(command.command_id)
        record = registration(command.device_id)
        if record is not None and _is_named(command, record):
            sent.update(earlier)
    return frozenset(sent)


def closed_later(backlog: Iterable[Lwm2mCommand]) -> frozenset[str]:
    """Return the ids of commands of attempts that the backlog closes after them."""
    before: dict[AttemptRef | None, list[DeviceRequests]] = {}
    closed: set[str] = set()
    for command in backlog:
        earlier = before.setdefault(attempt_of(command), [])
        if isinstance(command, DeviceRequests):
            earlier.append(command)
        else:
            closed.update(asked.command_id for asked in earlier if is_closed_by(asked, command))
    return frozenset(closed)


def begun_again(backlog: Iterable[Lwm2mCommand]) -> frozenset[str]:
    """Return the ids of closes after which the backlog begins the download of the same attempt again."""
    open_closes: dict[AttemptRef | None, list[str]] = {}
    overtaken: set[str] = set()
    for command in backlog:
        closes = open_closes.setdefault(attempt_of(command), [])
        if isinstance(command, CloseDownload):
            closes.append(command.command_id)
        elif _has(command, WritePackageUri):
            overtaken.update(closes)
            closes.clear()
    return frozenset(overtaken)


def _is_named(command: DeviceRequests, record: Registration) -> bool:
    began = _has(command, WritePackageUri) and record.current_attempt == attempt_of(command)
    return began or record.last_execute_id == command.command_id


def _has(command: DeviceRequests, kind: type | UnionType) -> bool:
    return any(isinstance(request, kind) for request in command.requests)
