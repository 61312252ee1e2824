"""What this process has sent to Kafka, and what it could not handle: counters that are exported as metrics."""

from collections import Counter

from sluice_common.messages.dead_letters import DeadLetter, reason_class
from sluice_common.operations.metrics import counter

SENT: Counter[str] = Counter()
"""Messages by topic."""
DEAD_LETTERED: Counter[tuple[str, ...]] = Counter()
"""Dead letters by the topic of what they hold and the class of their reason."""
MESSAGES = counter("sluice_kafka_messages_total", "Messages that were given to Kafka's client, by topic.", "topic")
DEAD_LETTERS = counter(
    "sluice_dead_letters_total", "Records that could not be handled and went to `dead-letters`.", "topic", "reason"
)


def count_dead_letter(letter: DeadLetter) -> None:
    """Count a dead letter."""
    DEAD_LETTERED[letter.source_topic, reason_class(letter.reason)] += 1
