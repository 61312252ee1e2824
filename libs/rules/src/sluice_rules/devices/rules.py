"""The figures of the rules of one device; the service's settings give them their values."""

from dataclasses import dataclass, field

from sluice_rules.cells.coverage import CoverageRules


@dataclass(frozen=True, slots=True)
class Rules:
    """All figures that `decide` uses and a task's policy does not have.

    Attributes:
        coverage: Which radio makes which coverage class.
        redrives: How often a deadline drives its step again before the next one fails it (invariant 7).
        slot_reask: Seconds after which an awake waiter asks its window again, against lost messages.
        coverage_valid: Seconds for which a waiter is taken to be in the cell that it reported; then it is asked again.
        max_slot_yields: How often an attempt returns its slot for a device that does not answer, until that fails it;
            an MQTT device that fetches nothing gets no further slot until it does.
        clock_skew: Seconds that the clocks of gateways and scheduler may differ.
        late: Seconds from an event to its decision, beyond which the time that it gives begins with its decision.
            Repeated earlier than that, after a crash, an event has the very same effects.
        token_lifetime: Most seconds that the download token of an MQTT device lives (R099).
        download_idle: Seconds without a byte or a word after which an MQTT device gives its slot to another.
        offer_again: Seconds until a device that has connected anew must have begun; else it waits for another offer.
        version_queries: How many version queries an MQTT device may leave unanswered; one more fails the attempt.
        version_again: Seconds after which an MQTT device that seems to be online is asked again.
        online_after_message: Seconds that an MQTT device counts as online after a message, whatever its presence.
        least_wait: Seconds until a busy device is asked again at the least, whatever Max-Age it names.
        cancel_observe: Most seconds that an execution, whose result is known, waits for the answer to Cancel Observe.
        command_answer: Seconds that a device command may stay unanswered.
        max_commands: Unfinished commands of one device; further ones are refused.
        max_ended: Tombstones of device commands kept per device.
        ended_kept: Seconds that a tombstone is kept: longer than a late duplicate may lie in an input topic.
        max_history: Entries of an execution's history; the oldest but the first go.
    """

    coverage: CoverageRules = field(default_factory=CoverageRules)
    redrives: int = 1
    slot_reask: float = 300.0
    coverage_valid: float = 3_600.0
    max_slot_yields: int = 10
    clock_skew: float = 2.0
    late: float = 5.0
    token_lifetime: float = 86_400.0
    download_idle: float = 300.0
    offer_again: float = 30.0
    version_queries: int = 2
    version_again: float = 60.0
    online_after_message: float = 60.0
    least_wait: float = 2.0
    cancel_observe: float = 5.0
    command_answer: float = 180.0
    max_commands: int = 50
    max_ended: int = 200
    ended_kept: float = 8 * 86_400.0
    max_history: int = 200
