"""Commands that a restart meets again: which of them must not be sent a second time.

Commands are committed only when answered, so those that were in flight when a gateway died are read again, together
with later ones that were answered already. Reads and observations are simply repeated. Others must not be:

1. An Execute or a Package URI that the registration names, and those before it: they were sent, or may have been
   (invariant 5; a device that is done with an attempt would begin it again without a slot).
2. A Package URI of an attempt that a later command closes: it would re-open the fence.
"""

from collections.abc import Callable, Iterable
from types import UnionType

from sluice_common.messages.lwm2m_commands import CloseDownload, DeviceRequests, Execute, Lwm2mCommand, WritePackageUri
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.domain.records import attempt_of


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
    """Return the ids of commands that would begin a download that the backlog closes."""
    begun: dict[AttemptRef | None, list[str]] = {}
    closed: set[str] = set()
    for command in backlog:
        if isinstance(command, CloseDownload):
            closed.update(begun.get(attempt_of(command), ()))
        elif command.execution_id is not None and _has(command, WritePackageUri):
            begun.setdefault(attempt_of(command), []).append(command.command_id)
    return frozenset(closed)


def _is_named(command: DeviceRequests, record: Registration) -> bool:
    began = _has(command, WritePackageUri) and record.current_attempt == attempt_of(command)
    return began or record.last_execute_id == command.command_id


def _has(command: DeviceRequests, kind: type | UnionType) -> bool:
    return any(isinstance(request, kind) for request in command.requests)
