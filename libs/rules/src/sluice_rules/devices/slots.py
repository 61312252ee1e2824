"""What the record has of its window: asks, grants, probes and returns (docs/upgrade.md, "The slot protocol").

Whether a device must be fenced before its slot is returned is for the caller to know (`completion`).
"""

from sluice_common.messages.base import utc
from sluice_common.messages.cell_requests import SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.device_events import SlotGranted, SlotProbed
from sluice_common.messages.slots import Grant, WindowKey
from sluice_rules.devices.attempt import SlotState
from sluice_rules.devices.transition import Transition


def ask(transition: Transition) -> None:
    """Ask the window for a slot under a new number, if the device is awake."""
    execution = transition.execution
    if execution.window is None or not transition.awake:
        return
    execution.attempt.ask_no = transition.offset
    execution.attempt.slot = SlotState.ASKED
    transition.effects.append(
        SlotAsk(
            **transition.head(execution.app_id),
            window=execution.window,
            grant=execution.grant,
            awake_until=utc(transition.link.awake_until),
        )
    )


def release(transition: Transition, *, keep_place: bool = False) -> None:
    """Return the slot, or the place in the queue."""
    execution = transition.execution
    if execution.window is None or execution.attempt.slot is SlotState.NONE:
        return
    _return(transition, execution.window, execution.grant, keep_place=keep_place)
    execution.attempt.slot = SlotState.KEPT if keep_place else SlotState.NONE


def on_granted(transition: Transition, event: SlotGranted) -> None:
    """Take a grant that answers the current ask, ignore the one that is held, return any other."""
    state = _state_of(transition, event)
    if state is SlotState.ASKED:
        _granted(transition)
    elif state is not SlotState.HELD:
        _return(transition, event.window, event.grant, keep_place=state is SlotState.KEPT)


def on_probed(transition: Transition, event: SlotProbed) -> None:
    """Hold exactly the grant that the record holds, return any other."""
    state = _state_of(transition, event)
    if state is SlotState.HELD:
        head = transition.head(event.app_id)
        transition.effects.append(SlotHold(**head, window=event.window, grant=event.grant))
    elif state is SlotState.ASKED:
        _grant_lost(transition)
    else:
        _return(transition, event.window, event.grant, keep_place=state is SlotState.KEPT)


def _granted(transition: Transition) -> None:
    """Take the slot if the device can use it now; keep only the place otherwise."""
    if transition.awake:
        transition.execution.attempt.slot = SlotState.HELD
        transition.step.on_granted(transition)
    else:
        release(transition, keep_place=True)


def _grant_lost(transition: Transition) -> None:
    """The window has granted what never arrived: return it, and ask anew if the device is awake."""
    release(transition, keep_place=True)
    ask(transition)


def _state_of(transition: Transition, event: SlotGranted | SlotProbed) -> SlotState:
    """Return what the record has of exactly this grant."""
    execution = transition.device.execution
    if execution is None or (execution.grant, execution.window) != (event.grant, event.window):
        return SlotState.NONE
    return execution.attempt.slot


def _return(transition: Transition, window: WindowKey, grant: Grant, *, keep_place: bool) -> None:
    """Return a grant, the active execution's or one that nobody wants."""
    head = transition.head(transition.event.app_id)
    transition.effects.append(SlotReturn(**head, window=window, grant=grant, keep_place=keep_place))
