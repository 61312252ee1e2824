"""Settings of the one-machine system, each an environment variable `SLUICE_<NAME>`."""

import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from sluice_embedded.domain.ports import HIGHEST_BASE, HIGHEST_PORT, LOWEST_BASE, MAX_GATEWAYS, MAX_REPLICAS, Ports
from sluice_embedded.install import HOME


class EmbeddedSettings(BaseSettings):
    """Where the system keeps its state and listens, and how long it waits."""

    model_config = SettingsConfigDict(env_prefix="SLUICE_", extra="ignore", populate_by_name=True)

    state_dir: Path = Field(HOME, description="Folder of data, logs and run files.")
    parts_dir: Path = Field(HOME / "parts", description="Folder of installed parts; state folders share it.")
    port_base: int = Field(
        17_000, ge=LOWEST_BASE, le=HIGHEST_BASE, description="Lowest port; all others follow from it."
    )
    listen: IPv4Address = Field(
        IPv4Address("127.0.0.1"), description="IPv4 address on which API and gateways listen; 0.0.0.0 for all."
    )
    parts_listen: IPv4Address = Field(
        IPv4Address("127.0.0.1"),
        description="IPv4 address at which Kafka and SecantusDB listen and are told to clients, one of this machine's; "
        "they ask nobody who he is.",
    )
    broker_hook_url: str | None = Field(
        None,
        pattern=r"^http://[^?#\s]+$",
        description="Where the embedded MQTT broker finds the hooks of an mqtt-gateway elsewhere, `http://HOST:PORT/mqtt`.",
    )
    kafka_bootstrap: str | None = Field(
        None,
        validation_alias=AliasChoices("kafka_bootstrap", "SLUICE_KAFKA_BOOTSTRAP", "KAFKA_BOOTSTRAP"),
        description="A Kafka to use instead of the embedded one, host:port[,host:port…].",
    )
    kafka_advertised: str | None = Field(
        None,
        description="Where clients of the embedded Kafka are told to go, host:port, if something lies between.",
    )
    mongodb_uri: str | None = Field(
        None,
        validation_alias=AliasChoices("mongodb_uri", "SLUICE_MONGODB_URI", "MONGODB_URI"),
        description="A MongoDB 6+ to use instead of the embedded server.",
    )
    mqtt_url: str | None = Field(
        None,
        validation_alias=AliasChoices("mqtt_url", "SLUICE_MQTT_URL", "MQTT_URL"),
        description="An MQTT broker to use instead of the embedded one, mqtt[s]://host[:port]; see docs/broker.md.",
    )
    mqtt_port: int | None = Field(
        None, ge=1, le=HIGHEST_PORT, description="TCP port of the embedded MQTT broker, if not the port base + 20."
    )
    mqtts_port: int | None = Field(
        None, ge=1, le=HIGHEST_PORT, description="The same over TLS, if not the port base + 21."
    )
    mongodb_database: str = Field("sluice", description="Database name.")
    replicas: int = Field(1, ge=1, le=MAX_REPLICAS, description="Processes of each service.")
    lwm2m_gateways: int = Field(
        1, ge=1, le=MAX_GATEWAYS, description="LwM2M gateways to start, if more than `replicas`."
    )
    kafka_heap: int = Field(384, ge=256, description="Heap of Kafka, MiB.")
    mongodb_cache: int = Field(1024, ge=64, description="Cache of the MongoDB-wire server, MiB.")
    mqtt_heap: int = Field(256, ge=128, description="Heap of the embedded MQTT broker, MiB.")
    mqtt_max_packet: int = Field(131_072, ge=1_024, description="Largest MQTT packet that it takes, bytes.")
    mqtt_persistence: Literal["in-memory", "file"] = Field(
        "in-memory",
        description="Where it keeps sessions and what waits in them. `file` survives its death, for 2.5 times the CPU.",
    )
    mqtt_certificate: Path | None = Field(
        None, description="Certificate chain (PEM) of its TLS listener, with `mqtt_private_key`; else one is made."
    )
    mqtt_private_key: Path | None = Field(None, description="Private key (PEM, not encrypted) of that certificate.")
    start_deadline: float = Field(180.0, gt=0, description="Seconds until every service must be ready.")
    stop_deadline: float = Field(
        30.0, gt=0, description="Seconds a service gets to end before it is killed; more than its `shutdown_grace`."
    )

    @field_validator("parts_listen")
    @classmethod
    def _is_one_address(cls, address: IPv4Address) -> IPv4Address:
        """Refuse to tell clients an address that is none."""
        if address.is_unspecified:
            raise ValueError("Kafka tells its clients where it is: name one address")
        return address

    @property
    def ports(self) -> Ports:
        """Where everything listens."""
        return Ports(
            self.port_base,
            max(self.lwm2m_gateways, self.replicas),
            self.mqtt_port,
            self.mqtts_port,
            str(self.parts_listen),
            self.replicas,
            shares=sys.platform == "linux",
        )

    @property
    def data(self) -> Path:
        """What a reset wipes."""
        return self.state_dir / "data"

    @property
    def logs(self) -> Path:
        """One file per service."""
        return self.state_dir / "logs"

    @property
    def run(self) -> Path:
        """What describes the running system."""
        return self.state_dir / "run"
