"""The part of a record that a retry starts afresh: one attempt of an execution."""

from enum import StrEnum

import msgspec

from sluice_common.messages.device_events import RequestResult
from sluice_common.messages.execution_events import Coverage
from sluice_common.messages.slots import WindowKey
from sluice_common.reasons import ReasonCode


class SlotState(StrEnum):
    """What the attempt has of its window.

    `none`: nothing. `asked`: a place in the queue, and a grant of `ask_no` would be taken.
    `held`: the slot, under the grant `ask_no`. `kept`: only the place; a grant would be returned.
    """

    NONE = "none"
    ASKED = "asked"
    HELD = "held"
    KEPT = "kept"


class Radio(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a device reported of its radio beside its cell; None for what it did not.

    Attributes:
        rsrp: dBm.
        sinr: dB.
        bearer: Network bearer, `/4/0/0`.
        link_quality: As the bearer measures it, `/4/0/3`: RSRQ in dB for LTE.
    """

    rsrp: float | None = None
    sinr: float | None = None
    bearer: int | None = None
    link_quality: float | None = None


class MqttAttempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of an attempt that only MQTT devices have.

    Attributes:
        online_by: When the device must have answered; later than that it is not waited for, seconds since 1970.
        unanswered: How many version queries it has left unanswered.
        pending_failure: Why the attempt fails unless the device turns out to run the target version.
    """

    online_by: float = 0.0
    unanswered: int = 0
    pending_failure: ReasonCode | None = None


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run through the flow; a retry starts from a fresh one.

    Attributes:
        number: From 1.
        busy: The device still works at the last attempt; it is awaited before this one goes on.
        resets: How many ways to reset the device's update state machine were tried in vain (`steps.lwm2m.reset`).
        resetting: A reset is under way.
        refused: The answer by which a request was refused, or could not be understood, for the reason that it may make.
        radio: What the device reported of its radio, but for a cell id.
        coverage: What the device reported of its radio.
        coverage_epoch: Registration under which it did.
        coverage_until: Until when that counts while the device waits, seconds since 1970.
        slot: What it has of its window.
        ask_no: Number of the newest ask.
        slot_yields: How often a slot was returned because the device did not answer; MQTT: since its last byte.
        needs_fence: A Package URI or a download token may be with the device; it must be fenced at the end.
        opened_at: Gateways that were told to hand out the Package URI and have not confirmed a close: each of them may
            serve the image, whoever owns the device now. LwM2M only.
        not_after: End of the image token, seconds since 1970.
        start_by: When the download must have begun.
        epoch: Registration that the coverage query, later the URI, then the Execute was meant for.
        observed_epoch: Registration under which the device accepted to be observed, since it holds this slot.
        uri_accepted: The device accepted the Package URI.
        state_before: `/5/0/3` when it was observed, before the Package URI: as long as it is told no other, this is no
            news of the download.
        result_before: `/5/0/5` before the Package URI, None if it was not asked for, -1 if the device did not tell: a
            result of an older update.
        firmware_state: Last known `/5/0/3`.
        started: The download has begun: state 1 was told since the URI was accepted, or a block asked for.
        notified_state: The state that the device notified while its answer is awaited.
        execute_id: Command id of the Execute; the only one that this attempt will ever send.
        unsent: The gateway answered that it did not send the Execute.
        update_start_by: When the update must have begun.
        update_by: When its result must be known.
        ask_at_once: The device could be reached since it lost its slot by silence: it asks for another one at once.
        mqtt: What only MQTT devices have.
    """

    number: int = 1
    busy: bool = False
    resets: int = 0
    resetting: bool = False
    refused: RequestResult | None = None
    radio: Radio = Radio()
    coverage: Coverage | None = None
    coverage_epoch: int = -1
    coverage_until: float = 0.0
    slot: SlotState = SlotState.NONE
    ask_no: int = -1
    slot_yields: int = 0
    needs_fence: bool = False
    opened_at: tuple[int, ...] = ()
    not_after: float = 0.0
    start_by: float = 0.0
    epoch: int = -1
    observed_epoch: int = -1
    uri_accepted: bool = False
    state_before: int | None = None
    result_before: int | None = None
    firmware_state: int | None = None
    started: bool = False
    notified_state: int | None = None
    execute_id: str | None = None
    unsent: bool = False
    update_start_by: float = 0.0
    update_by: float = 0.0
    ask_at_once: bool = False
    mqtt: MqttAttempt = MqttAttempt()


def window_of(coverage: Coverage) -> WindowKey:
    """Return the window of the devices in this cell and class."""
    return WindowKey(network=coverage.network, cell_id=coverage.cell_id, coverage_class=coverage.coverage_class)
