"""The parts that run."""

from sluice_common.sealing import Sealer
from sluice_common.settings import CommonSettings
from sluice_embedded.adapters.secrets import secrets_of
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack


class System:
    """The parts that run, and what tests need of them.

    Attributes:
        stack: The parts.
        settings: Settings of the test's own clients.
        sealer: Seals secrets as the API does.
        mqtt_password: Of the gateways at the broker.
    """

    def __init__(self, stack: Stack, embedded: EmbeddedSettings) -> None:
        self.stack = stack
        self.port = embedded.port_base + 20
        self.downloads = f"http://127.0.0.1:{embedded.port_base + 30}"
        self.settings = CommonSettings(
            kafka_bootstrap=stack.endpoints.kafka_bootstrap,
            mongodb_uri=stack.endpoints.mongodb_uri,
            mongodb_database=stack.endpoints.mongodb_database,
        )
        self.sealer = Sealer([secrets_of(embedded).sealing_key])
        self.mqtt_password = secrets_of(embedded).mqtt_password
        self.log = embedded.logs / "mqtt-gateway.log"
