"""Settings of the MQTT gateway; every field is an environment variable `SLUICE_<NAME>`."""

import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from sluice_common.settings import CLOSING_SECONDS, SealingSettings
from sluice_mqtt.domain.superuser import Network


class GatewaySettings(SealingSettings):
    """What an operator can set; times in seconds, sizes in bytes."""

    linger: float = Field(
        0.05,
        ge=0,
        description="Seconds a producer waits to fill a batch; 0.02 costs half as much CPU again.",
    )
    mqtt_url: str = Field(
        "mqtt://127.0.0.1:17020",
        pattern=r"^mqtts?://[^/?#@\s]+$",
        description="Broker, `mqtt://host[:port]` or with TLS `mqtts://host[:port]`.",
    )
    mqtt_username: str = Field("sluice-gateway", min_length=1, description="User name of the platform at the broker.")
    mqtt_password: SecretStr = Field(
        SecretStr(""), description="Password of the platform at the broker, at least 16 characters; replicas share it."
    )
    mqtt_own_networks: str = Field(
        "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,fc00::/7,fe80::/10",
        description="Networks from which the platform logs in at the broker, with commas; by default all private ones.",
    )
    mqtt_client_id: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        pattern=r"^[^/+#\s]+$",
        description="Client id at the broker: different for each replica, the same after a restart. By default made of "
        "host name (with the ordinal in a stateful set) and hook port; two with one id evict each other.",
    )
    mqtt_tls_ca: Path | None = Field(None, description="Certificates (PEM) that the broker's must lead to.")
    mqtt_keepalive: int = Field(30, ge=5, description="Keep-alive of the connection to the broker.")
    mqtt_broker_lists: bool = Field(
        default=False,
        description="Whether the broker lists all connections (docs/broker.md); otherwise messages show them as well.",
    )
    mqtt_session_expiry: int = Field(
        90,
        ge=0,
        description="How long the broker keeps our session and its messages when we are gone: one that deals messages "
        "out to the sessions of all gateways (EMQX) keeps back its share for so long.",
    )
    mqtt_max_unacknowledged: int = Field(
        1_000, ge=1, le=65_535, description="Messages of devices that wait for Kafka at once (Receive Maximum)."
    )
    mqtt_max_in_flight: int = Field(
        500, ge=1, le=60_000, description="Messages to devices that the broker has not acknowledged; at most its own."
    )
    mqtt_max_payload: int = Field(65_536, ge=1_024, description="Larger messages of devices are not looked at.")
    mqtt_connect_timeout: float = Field(5.0, gt=0, description="For a connection to the broker to be made.")
    mqtt_reconnect_delay: float = Field(1.0, gt=0, description="Between attempts to reach the broker.")
    mqtt_heartbeat_interval: float = Field(
        10.0,
        gt=0,
        description="Between messages to ourselves; the connection is made anew if three of them are missing.",
    )
    mqtt_stall_timeout: float = Field(
        120.0, gt=0, description="A message that waits for Kafka or MongoDB for this long ends the broker's connection."
    )
    mqtt_publish_timeout: float = Field(
        120.0, gt=0, description="A command that the broker has not taken by then is dropped; deadlines repeat it."
    )

    mqtt_hook_host: str = Field("127.0.0.1", description="Address of the broker's HTTP hooks.")
    mqtt_hook_port: int = Field(17_031, ge=1, le=65_535, description="TCP port of the broker's HTTP hooks.")
    mqtt_hook_secret: SecretStr = Field(
        SecretStr(""), description="The broker's bearer token at the hooks, at least 16 characters."
    )
    mqtt_hook_max_body: int = Field(33_554_432, ge=65_536, description="Bytes of the largest list of connections.")
    mqtt_timestamp_tolerance: float = Field(
        3_600.0, ge=0, description="How far the hour of a checked log-in may lie from now."
    )

    mqtt_device_ttl: float = Field(
        30.0,
        ge=0,
        description="How long a device's app is not looked up again; reports of a deleted one count as long.",
    )
    mqtt_secret_ttl: float = Field(30.0, ge=0, description="How long a device's secret is not looked up again.")
    mqtt_unknown_ttl: float = Field(5.0, ge=0, description="How long an unknown device is not looked up again.")
    mqtt_device_cache_size: int = Field(100_000, ge=1, description="Devices that are kept, known or not.")

    download_token_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys of the tokens in download URLs, comma-separated, each of at least 32 characters; the first "
        "signs, all check. MQTT gateways share them.",
    )
    download_host: str = Field("127.0.0.1", description="Address of the downloads.")
    download_port: int = Field(17_030, ge=1, le=65_535, description="TCP port of the downloads.")
    download_public_url: str | None = Field(
        None,
        pattern=r"^https?://[^?#\s]+$",
        max_length=512,
        description="Scheme, host, port and path before `/downloads` as devices reach it; by default host and port.",
    )
    download_tls_cert: Path | None = Field(None, description="Certificate chain (PEM); with it downloads are HTTPS.")
    download_tls_key: Path | None = Field(None, description="Private key (PEM) of that certificate.")
    download_max: int = Field(5_000, ge=1, description="Downloads served at once; more are asked to come back.")
    download_cache: int = Field(268_435_456, ge=1_048_576, description="Bytes of images in memory, shared by all.")
    download_idle_timeout: float = Field(
        60.0, gt=0, description="A client that takes no bytes for this long, twice that at most, is cut off."
    )
    download_offer_wait: float = Field(
        3.0,
        ge=0,
        description="How long a request waits for an offer that this replica has not read yet, or for it to be ready.",
    )
    download_drain: float = Field(
        10.0,
        ge=0,
        description="At the end, how long downloads that are under way may take to end; 10 s below `shutdown_grace`.",
    )
    download_progress_interval: float = Field(60.0, gt=0, description="Between two reports of a download in progress.")

    mqtt_counters_interval: float = Field(60.0, gt=0, description="How often counters are logged.")

    @model_validator(mode="after")
    def _drains_in_time(self) -> Self:
        """Refuse to begin what the grace period would cut off."""
        if self.download_drain + CLOSING_SECONDS > self.shutdown_grace:
            raise ValueError(f"SLUICE_DOWNLOAD_DRAIN must be {CLOSING_SECONDS:g} s below SLUICE_SHUTDOWN_GRACE")
        return self

    @property
    def client_id(self) -> str:
        """Our client id at the broker."""
        return self.mqtt_client_id or f"sluice-gateway-{socket.gethostname()}-{self.mqtt_hook_port}"

    def own_networks(self) -> tuple[Network, ...]:
        """Return where the platform may log in from.

        Raises:
            ValueError: One is no network.
        """
        return tuple(ip_network(text.strip()) for text in self.mqtt_own_networks.split(",") if text.strip())

    @property
    def download_url(self) -> str:
        """What comes before `/downloads` in URLs."""
        host = f"[{self.download_host}]" if ":" in self.download_host else self.download_host
        scheme = "https" if self.download_tls_cert else "http"
        return (self.download_public_url or f"{scheme}://{host}:{self.download_port}").rstrip("/")
