"""What the broker reports of its connections: EMQX 5's webhooks, with lists, boot ids and counts added (ADR 0016)."""

import msgspec

from sluice_mqtt.domain.presence import Boot


class ConnectedClient(msgspec.Struct):
    """One client of a list."""

    clientid: str
    username: str | None = None
    connected_at: int = 0


class PresenceEvent(msgspec.Struct):
    """A connection was made or has ended, or a list of all connections of a node.

    Attributes:
        event: `client.connected`, `client.disconnected`, or `clients.connected` for a list.
        clientid: The client; empty in a list.
        username: The device.
        connected_at: When the connection was made, milliseconds since 1970.
        node: The broker's node.
        boot_id: The node's run.
        clients: All connections of the node, in a list.
        counts: What the broker has refused by itself since the last list, by name of the counter.
    """

    event: str
    clientid: str = ""
    username: str | None = None
    connected_at: int | None = None
    node: str = ""
    boot_id: str = ""
    clients: list[ConnectedClient] = []
    counts: dict[str, int] = {}

    @property
    def boot(self) -> Boot:
        """The node's run; a broker without boot ids is known by its node alone."""
        return Boot(self.node, self.boot_id or self.node)
