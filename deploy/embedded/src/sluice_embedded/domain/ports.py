"""Where everything listens: offsets from one base port."""

from dataclasses import dataclass

LOWEST_BASE = 1024
HIGHEST_BASE = 32_768 - 100
"""Ports from 32,768 on are taken by outgoing sockets, of which thousands of simulated devices have one each."""
HIGHEST_PORT = 65_535
GATEWAY_OFFSET = 10
MQTT_OFFSET = 20
MQTT_GATEWAY_OFFSET = 30
API_REPLICA_OFFSET = 40
METRICS_OFFSET = 50
MAX_GATEWAYS = 8
MAX_REPLICAS = 4
MAX_METRICS = 40
"""Ports for operators: as many as there can be processes."""
CLIENT_HOST = "127.0.0.1"
"""Kafka, the MongoDB-wire server and the hooks of the broker are for this machine, unless the settings say otherwise:
they listen on the loopback.
"""


@dataclass(frozen=True)
class Ports:
    """The ports of one system.

    Attributes:
        base: Lowest port.
        gateways: How many LwM2M gateways there are.
        mqtt_port: MQTT of the embedded broker, if not where the base says; SDKs may take no other than 1883.
        mqtts_port: The same over TLS; 8883.
        parts_host: Where Kafka and the MongoDB-wire server listen and say that they are.
        replicas: How many processes each service has.
        shares: Whether replicas listen on one port (SO_REUSEPORT, which balances on Linux only); otherwise each has
            its own, and clients are given that of the first.
    """

    base: int
    gateways: int = 1
    mqtt_port: int | None = None
    mqtts_port: int | None = None
    parts_host: str = CLIENT_HOST
    replicas: int = 1
    shares: bool = True

    def api(self, ordinal: int = 0) -> int:
        """HTTP of the API, of one replica."""
        return self.base if self.shares or ordinal == 0 else self.base + API_REPLICA_OFFSET + ordinal

    @property
    def kafka(self) -> int:
        """Kafka's clients."""
        return self.base + 1

    @property
    def kafka_controller(self) -> int:
        """Kafka's own quorum."""
        return self.base + 2

    @property
    def mongodb(self) -> int:
        """The MongoDB-wire server."""
        return self.base + 3

    def coap(self, ordinal: int) -> int:
        """CoAP over UDP of one LwM2M gateway."""
        return self.base + GATEWAY_OFFSET + ordinal

    @property
    def mqtt(self) -> int:
        """MQTT of the embedded broker."""
        return self.mqtt_port or self.base + MQTT_OFFSET

    @property
    def mqtts(self) -> int:
        """MQTT over TLS of the embedded broker."""
        return self.mqtts_port or self.base + MQTT_OFFSET + 1

    def downloads(self, ordinal: int = 0) -> int:
        """HTTP of firmware images for MQTT devices, of one replica."""
        return self.base + MQTT_GATEWAY_OFFSET + (0 if self.shares else 2 * ordinal)

    def hooks(self, ordinal: int = 0) -> int:
        """HTTP that the broker asks and tells, of one replica."""
        return self.downloads(ordinal) + 1

    def metrics(self, number: int) -> int:
        """HTTP for operators: each process has a port, by its place in the order in which they start."""
        return self.base + METRICS_OFFSET + number

    def tcp(self) -> list[int]:
        """Return all ports that TCP listeners have or may have."""
        parts = [self.kafka, self.kafka_controller, self.mongodb, self.mqtt, self.mqtts]
        http = {port(n) for n in range(self.replicas) for port in (self.api, self.downloads, self.hooks)}
        return [*parts, *sorted(http), *(self.metrics(number) for number in range(MAX_METRICS))]

    def shared(self) -> int | None:
        """Return a port that listeners of different kinds would have; None if there is none."""
        ports = self.tcp()
        return next((port for port in ports if ports.count(port) > 1), None)

    def kafka_address(self) -> str:
        """Bootstrap server of the embedded Kafka."""
        return f"{self.parts_host}:{self.kafka}"

    def mongodb_address(self) -> str:
        """Connection string of the embedded MongoDB-wire server."""
        return f"mongodb://{self.parts_host}:{self.mongodb}/?directConnection=true"
