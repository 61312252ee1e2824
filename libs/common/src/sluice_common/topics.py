"""The topics: names, decoders, and how each is created (`docs/architecture.md`, "Topics").

Partition counts are fixed when a system is created: remapping a live cell would make a second writer.
"""

from dataclasses import dataclass, field

from sluice_common.messages import codec

_DAY_MS = 86_400_000
RETENTION_DAYS = 7
"""How long input topics keep records; tombstones of ended executions must outlive it."""


@dataclass(frozen=True)
class Topic:
    """One topic.

    Attributes:
        name: Its name in Kafka.
        decoder: Decoder of its values; None for `dead-letters`, which nobody consumes.
        config: Topic configuration at creation.
    """

    name: str
    decoder: codec.Decoder | None
    config: dict[str, str] = field(default_factory=dict)

    @property
    def is_compacted(self) -> bool:
        """Return whether Kafka keeps the last record of each key, and a tombstone has it forget one."""
        return "compact" in self.config.get("cleanup.policy", "")


def _kept(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}


_COMPACTED = {"cleanup.policy": "compact"}
_READ_WHOLE = _COMPACTED | {"segment.bytes": str(8 * 2**20), "segment.ms": str(_DAY_MS // 24)}
"""Of what a process reads whole when it starts: the newest segment is never compacted, so it is small and soon closed.
"""

TASK_EVENTS = Topic("task-events", codec.TASK_EVENTS, _kept(RETENTION_DAYS))
DEVICE_EVENTS = Topic("device-events", codec.DEVICE_EVENTS, _kept(RETENTION_DAYS))
CELL_REQUESTS = Topic("cell-requests", codec.CELL_REQUESTS, _kept(RETENTION_DAYS))
LWM2M_COMMANDS = Topic("lwm2m-commands", codec.LWM2M_COMMANDS, _kept(1))
MQTT_COMMANDS = Topic("mqtt-commands", codec.MQTT_COMMANDS, _kept(2))
"""Kept longer than any download token lives: gateways that start learn from it which attempts may download."""
REGISTRATIONS = Topic("registrations", codec.REGISTRATIONS, _READ_WHOLE)
DEVICE_ACTIVITY = Topic("device-activity", codec.DEVICE_ACTIVITY, _kept(1))
EXECUTION_EVENTS = Topic("execution-events", codec.EXECUTION_EVENTS, _COMPACTED)
COMMAND_EVENTS = Topic("command-events", codec.EXECUTION_EVENTS, _COMPACTED)
"""Apart from `execution-events`: who waits for the answer of a device looks for it at once, upgrades are gathered."""
RELAY_HINTS = Topic("relay-hints", None, {"cleanup.policy": "delete", "retention.ms": str(_DAY_MS)})
"""Records that say nothing but that the outbox has filled; all in partition 0, and read from the end on only."""
PACKAGE_EVENTS = Topic("package-events", codec.PACKAGE_EVENTS, _kept(RETENTION_DAYS))
CELL_WINDOWS = Topic(
    "cell-windows",
    None,
    {"cleanup.policy": "compact", "segment.bytes": str(16 * 2**20), "delete.retention.ms": "600000"},
)
"""Changelog of the stage `cells`: co-partitioned with `cell-requests`, private to that stage.

Small segments, as the newest one is not compacted and whoever takes a partition over reads all of it first; tombstones
are kept longer than that can take.
"""
MAX_MESSAGE_BYTES = 1_000_000
"""Most bytes of a message: a batch of one record then stays below the 1 MiB that a topic takes by default."""
MAX_RECORD_BYTES = 2 * 1024 * 1024
"""Most bytes of a record in `dead-letters`: what it buries may be 1 MiB and grows by base64."""
DEAD_LETTERS = Topic("dead-letters", None, _kept(30) | {"max.message.bytes": str(MAX_RECORD_BYTES)})

ALL_TOPICS = (
    TASK_EVENTS,
    DEVICE_EVENTS,
    CELL_REQUESTS,
    LWM2M_COMMANDS,
    MQTT_COMMANDS,
    REGISTRATIONS,
    DEVICE_ACTIVITY,
    EXECUTION_EVENTS,
    COMMAND_EVENTS,
    RELAY_HINTS,
    PACKAGE_EVENTS,
    CELL_WINDOWS,
    DEAD_LETTERS,
)
