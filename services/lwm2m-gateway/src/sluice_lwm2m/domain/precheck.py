"""When a command is answered without sending anything (`docs/upgrade.md`, "Sleeping devices")."""

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.lwm2m_commands import DeviceRequests
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.session import Session


def precheck(
    command: DeviceRequests, record: Registration | None, session: Session | None, now: float
) -> OutcomeStatus | None:
    """Return the outcome of a command that is not sent; None for one that is.

    Args:
        command: The command.
        record: The newest registration of the device, whoever owns it.
        session: Its session if this gateway owns it.
        now: Seconds since 1970.
    """
    if record is not None and record.last_execute_id == command.command_id:
        return OutcomeStatus.ALREADY_SENT
    if now >= command.expires_at.timestamp():
        return OutcomeStatus.STALE
    if record is None:
        return OutcomeStatus.ASLEEP
    if session is None or command.epoch != record.epoch:
        return OutcomeStatus.STALE
    return None if session.is_reachable(now) else OutcomeStatus.ASLEEP
