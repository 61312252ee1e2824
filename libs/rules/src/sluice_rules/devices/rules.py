"""The figures of the rules of one device; the service's settings give them their values."""

from dataclasses import dataclass

from sluice_common.topics import RETENTION_DAYS


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of the levels 0, 1 and 2 of one radio quantity, and the highest plausible value (D01)."""

    level_0: float
    level_1: float
    level_2: float
    highest: float


@dataclass(frozen=True, slots=True)
class Rules:
    """All figures that `decide` uses and a task's policy does not have.

    Attributes:
        rsrp: Bounds of the RSRP, dBm. 3GPP TS 36.133 reports an NRSRP of at most -44 dBm (§9.1.22.9).
        sinr: Bounds of the SINR, dB. 3GPP TS 36.133 reports an RS-SINR of at most 40 dB (§9.1.17.1).
        redrives: How often a deadline drives its step again before the next one fails it (invariant 7).
        slot_reask: Seconds after which an awake waiter asks its window again, against lost messages.
        coverage_valid: Seconds for which a waiter is taken to be in the cell that it reported; then it is asked again.
        max_slot_yields: How often an attempt returns its slot for a device that does not answer, until that fails it;
            an MQTT device that fetches nothing gets no further slot until it does.
        clock_skew: Seconds that the clocks of gateways and scheduler may differ.
        token_lifetime: Most seconds that the download token of an MQTT device lives (R099).
        download_idle: Seconds without a byte or a word after which an MQTT device gives its slot to another.
        offer_again: Seconds until a device that has connected anew must have begun; else it waits for another offer.
        version_queries: How many version queries an MQTT device may leave unanswered; one more fails the attempt.
        version_again: Seconds after which an MQTT device that seems to be online is asked again.
        online_after_message: Seconds that an MQTT device counts as online after a message, whatever its presence.
        command_answer: Seconds that a device command may stay unanswered.
        max_commands: Unfinished commands of one device; further ones are refused.
        max_ended: Tombstones of device commands kept per device.
        ended_kept: Seconds that a tombstone is kept: a day longer than the input topics keep records.
        max_history: Entries of an execution's history; the oldest but the first go.
    """

    rsrp: Bounds = Bounds(-105.0, -115.0, -125.0, -44.0)
    sinr: Bounds = Bounds(7.0, -3.0, -8.0, 40.0)
    redrives: int = 1
    slot_reask: float = 300.0
    coverage_valid: float = 3_600.0
    max_slot_yields: int = 10
    clock_skew: float = 2.0
    token_lifetime: float = 86_400.0
    download_idle: float = 300.0
    offer_again: float = 30.0
    version_queries: int = 2
    version_again: float = 60.0
    online_after_message: float = 60.0
    command_answer: float = 180.0
    max_commands: int = 50
    max_ended: int = 200
    ended_kept: float = (RETENTION_DAYS + 1) * 86_400.0
    max_history: int = 200
