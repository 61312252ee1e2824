"""What happened, as far as app servers are told.

A result is reported once an execution has ended, a state change whenever the device's Firmware Update State
(`/5/0/3`, OMA TS 1.1.1 §E.6) is another one. A delivery's id follows from what it reports, so that a replay of
events names the same deliveries again.
"""

from typing import NamedTuple

from sluice_api.domain.models import CallbackEvent
from sluice_common.messages.execution_events import ExecutionChanged


class Happened(NamedTuple):
    """Something that app servers may want to know.

    Attributes:
        event: What kind.
        delivery_id: The same for every snapshot that reports the same.
        execution: The snapshot that reports it.
    """

    event: CallbackEvent
    delivery_id: str
    execution: ExecutionChanged


def what_happened(execution: ExecutionChanged) -> Happened | None:
    """Return what a snapshot reports, if anything."""
    if execution.status.is_final:
        return Happened(CallbackEvent.RESULT, f"{execution.execution_id}:{execution.status}", execution)
    if execution.firmware_state is None:
        return None
    identifier = f"{execution.execution_id}:{execution.attempt}:{execution.firmware_state}"
    return Happened(CallbackEvent.STATE_CHANGED, identifier, execution)
