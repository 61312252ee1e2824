"""The commands of an ordinal that is gone: who answers them, and how.

Commands go to the partition of the gateway at which a device has registered last. When there are fewer gateways than
before, some partitions have no reader: what waits for an answer would wait until its deadline, and a slot until the end
of its token. So the gateway with the lowest ordinal of those that serve answers for them. It never sends anything to a
device: the device is asleep, as far as anybody knows, until it registers elsewhere, where it is asked anew.

Only an ordinal that was left in good order is inherited: of any other nobody knows what it still serves. It is left
alone for a while, since most of those that leave come back.
"""

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.messages.lwm2m_commands import CloseDownload, Lwm2mCommand
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.claims import Claims
from sluice_lwm2m.domain.precheck import precheck


def inherited_by(gateway: int, claims: Claims, now: float, after: float) -> list[GatewayClaim]:
    """Return the claims that count of the ordinals that a gateway answers for.

    Args:
        gateway: The ordinal of the gateway.
        claims: All that is known.
        now: Seconds since 1970.
        after: Seconds for which an ordinal that was left is left alone.
    """
    serving = [claim.gateway for claim in claims.all() if _serves(claim)]
    if not serving or min(serving) != gateway:
        return []
    return [claim for claim in claims.all() if _is_orphan(claim, now, after)]


def answer_of(command: Lwm2mCommand, gateway: int, record: Registration | None, now: float) -> OutcomeStatus:
    """Return the outcome of a command to an ordinal that is gone.

    A device that has registered elsewhere since is asked anew at once, by `stale`; one that has not when it does.

    Args:
        command: The command.
        gateway: The ordinal.
        record: The newest registration of the device.
        now: Seconds since 1970.
    """
    if isinstance(command, CloseDownload):
        return OutcomeStatus.DONE
    if record is not None and record.gateway == gateway and record.epoch == command.epoch:
        sent = record.last_execute_id == command.command_id
        return OutcomeStatus.ALREADY_SENT if sent else OutcomeStatus.ASLEEP
    return precheck(command, record, None, now) or OutcomeStatus.STALE


def _serves(claim: GatewayClaim) -> bool:
    return claim.heir is None and not claim.has_left


def _is_orphan(claim: GatewayClaim, now: float, after: float) -> bool:
    return claim.heir is not None or (claim.has_left and claim.at + after <= now)
