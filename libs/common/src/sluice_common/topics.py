"""The topics: names, decoders, and how each is created (`docs/architecture.md`, "Topics").

Partition counts are fixed when a system is created: remapping a live cell would make a second writer.
"""

from dataclasses import dataclass, field

from sluice_common.messages import codec

_DAY_MS = 86_400_000
_MIB = 2**20
_FEW_DAYS = 2
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
    """Return the settings of a topic whose records are kept for days: only closed segments are deleted."""
    closed_after = str(_DAY_MS // 4 if days <= _FEW_DAYS else _DAY_MS)
    kept = {"retention.ms": str(days * _DAY_MS), "segment.ms": closed_after, "segment.bytes": str(128 * _MIB)}
    return {"cleanup.policy": "delete"} | kept


def _newest_kept(days: int) -> dict[str, str]:
    """Return the settings of a topic that needs the newest record of each key only, and that for days."""
    return _kept(days) | {"cleanup.policy": "compact,delete", "delete.retention.ms": str(_DAY_MS)}


_READ_WHOLE = {
    "cleanup.policy": "compact",
    "segment.bytes": str(8 * _MIB),
    "segment.ms": str(_DAY_MS // 24),
    "delete.retention.ms": str(_DAY_MS),
}
"""Of what a process reads whole when it starts: the newest segment is never compacted, so it is small and soon closed.
"""

TASK_EVENTS = Topic("task-events", codec.TASK_EVENTS, _kept(RETENTION_DAYS))
DEVICE_EVENTS = Topic("device-events", codec.DEVICE_EVENTS, _kept(RETENTION_DAYS))
CELL_REQUESTS = Topic("cell-requests", codec.CELL_REQUESTS, _kept(RETENTION_DAYS))
LWM2M_COMMANDS = Topic("lwm2m-commands", codec.LWM2M_COMMANDS, _kept(1))
MQTT_COMMANDS = Topic("mqtt-commands", codec.MQTT_COMMANDS, _kept(2))
"""Kept longer than any download token lives: gateways that start learn from it which attempts may download."""
REGISTRATIONS = Topic("registrations", codec.REGISTRATIONS, _READ_WHOLE)
GATEWAY_CLAIMS = Topic("gateway-claims", codec.GATEWAY_CLAIMS, _READ_WHOLE)
DEVICE_ACTIVITY = Topic("device-activity", codec.DEVICE_ACTIVITY, _kept(1))
EXECUTION_EVENTS = Topic("execution-events", codec.EXECUTION_EVENTS, _newest_kept(30))
"""Kept for as long as a projector or notifier may be away, or a database be restored to an earlier state."""
COMMAND_EVENTS = Topic("command-events", codec.EXECUTION_EVENTS, _newest_kept(RETENTION_DAYS))
"""Apart from `execution-events`: who waits for the answer of a device looks for it at once, upgrades are gathered."""
RELAY_HINTS = Topic("relay-hints", None, _kept(1))
"""Records that say nothing but that the outbox has filled; all in partition 0, and read from the end on only."""
PACKAGE_EVENTS = Topic("package-events", codec.PACKAGE_EVENTS, _kept(RETENTION_DAYS))
CELL_WINDOWS = Topic(
    "cell-windows",
    None,
    {"cleanup.policy": "compact", "segment.bytes": str(16 * _MIB), "delete.retention.ms": "600000"},
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
    GATEWAY_CLAIMS,
    DEVICE_ACTIVITY,
    EXECUTION_EVENTS,
    COMMAND_EVENTS,
    RELAY_HINTS,
    PACKAGE_EVENTS,
    CELL_WINDOWS,
    DEAD_LETTERS,
)


def retention_table() -> str:
    """Return how long each topic keeps what, as a table in Markdown: the documentation holds it as it is."""
    head = "| topic | keeps | segments | closed after | tombstones |\n|---|---|---|---|---|\n"
    return head + "".join(_row(topic) for topic in ALL_TOPICS)


def _row(topic: Topic) -> str:
    config = topic.config
    parts = ["the newest of each key"] if topic.is_compacted else ["all"]
    if "retention.ms" in config:
        parts.append(f"for {_duration(config['retention.ms'])}")
    cells = [
        " ".join(parts),
        f"{int(config['segment.bytes']) // _MIB} MiB",
        _duration(config["segment.ms"]) if "segment.ms" in config else "",
        _duration(config["delete.retention.ms"]) if topic.is_compacted else "",
    ]
    return f"| `{topic.name}` | {' | '.join(cells)} |\n"


def _duration(milliseconds: str) -> str:
    minutes = int(milliseconds) // 60_000
    for unit, length in (("d", 1440), ("h", 60)):
        if minutes % length == 0:
            return f"{minutes // length} {unit}"
    return f"{minutes} min"
