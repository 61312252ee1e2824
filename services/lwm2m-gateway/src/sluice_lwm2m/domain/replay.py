"""Commands that are read again after a restart: which of them must not be sent a second time.

Commands are committed only when answered, so those that were in flight when a gateway died are read again, together
with later ones that were answered already. Reads and observations are simply repeated. Others must not be:

1. An Execute or a Package URI that the registration names, and those before it: they were sent, or may have been
   (invariant 5; a device that has finished an attempt would begin it again without a slot).
2. Requests of an attempt that a later command closes: a Package URI would lift the fence again.
3. A close after which the same attempt begins again, with another slot: the scheduler began it only after the close had
   been answered, and a second close would fence the new download.
"""

from collections.abc import Callable, Iterable, Sequence
from types import UnionType

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequests, Execute, Lwm2mCommand, WritePackageUri
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.domain.records import attempt_of, is_closed_by


def outcomes_known_before(
    backlog: Sequence[Lwm2mCommand], registration: Callable[[str], Registration | None]
) -> dict[str, OutcomeStatus]:
    """Return the outcomes, by command id, of the commands that must not be sent again.

    Args:
        backlog: What is read again, in order.
        registration: Returns the registration of a device.
    """
    outcomes = dict.fromkeys(closed_later(backlog), OutcomeStatus.STALE)
    outcomes |= dict.fromkeys(superseded_closes(backlog), OutcomeStatus.DONE)
    outcomes |= dict.fromkeys(sent_before(backlog, registration), OutcomeStatus.ALREADY_SENT)
    return outcomes


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


def superseded_closes(backlog: Iterable[Lwm2mCommand]) -> frozenset[str]:
    """Return the ids of closes after which the backlog begins the download of the same attempt again."""
    open_closes: dict[AttemptRef | None, list[str]] = {}
    superseded: set[str] = set()
    for command in backlog:
        closes = open_closes.setdefault(attempt_of(command), [])
        if isinstance(command, CloseDownload):
            closes.append(command.command_id)
        elif _has(command, WritePackageUri):
            superseded.update(closes)
            closes.clear()
    return frozenset(superseded)


def _is_named(command: DeviceRequests, record: Registration) -> bool:
    began = _has(command, WritePackageUri) and record.current_attempt == attempt_of(command)
    return began or record.last_execute_id == command.command_id


def _has(command: DeviceRequests, kind: type | UnionType) -> bool:
    return any(isinstance(request, kind) for request in command.requests)
