"""Settings of the LwM2M gateway; every field is an environment variable `SLUICE_<NAME>`."""

from ipaddress import ip_address
from typing import Self

from pydantic import Field, SecretStr, model_validator

from sluice_common.settings import CLOSING_SECONDS, CommonSettings
from sluice_lwm2m.domain.name_owners import UnboundNames


class GatewaySettings(CommonSettings):
    """What an operator can set; times in seconds, sizes in bytes."""

    lwm2m_ordinal: int = Field(
        0, ge=0, description="Ordinal of this gateway: its partition of `lwm2m-commands`; below `partitions`."
    )
    lwm2m_host: str = Field(
        "127.0.0.1", description="Address to listen on; `::` for all, IPv4 included, with `lwm2m_public_uri`."
    )
    lwm2m_port: int = Field(5683, ge=1, le=65_535, description="UDP port for registrations, requests and images.")
    lwm2m_public_uri: str | None = Field(
        None,
        pattern=r"^coaps?://[^/?#\s]+$",
        max_length=170,
        description="Scheme, host and port of image URIs as devices reach them, short enough for a Package URI of 255 "
        "bytes; by default made of `lwm2m_host` and `lwm2m_port`.",
    )
    image_token_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys of the tokens in image URIs, comma-separated, each of at least 32 characters; the first "
        "signs, all check. LwM2M gateways share them.",
    )
    lwm2m_socket_buffer: int = Field(
        4_194_304, ge=65_536, description="Bytes of the socket's buffers each, if granted."
    )
    lwm2m_max_datagram: int = Field(
        4_096, ge=1_280, description="Bytes of the largest datagram that is taken; larger ones are dropped."
    )

    lwm2m_ack_timeout: float = Field(8.0, gt=0, description="ACK_TIMEOUT (RFC 7252 §4.8), here for NB-IoT.")
    lwm2m_max_retransmit: int = Field(3, ge=0, le=10, description="MAX_RETRANSMIT (RFC 7252 §4.8), here for NB-IoT.")
    lwm2m_response_timeout: float = Field(60.0, gt=0, description="From an empty acknowledgement to the response.")
    lwm2m_exchange_lifetime: float = Field(
        247.0, gt=0, description="How long duplicates are recognised (RFC 7252 §4.8.2)."
    )
    lwm2m_max_duplicates: int = Field(65_536, ge=1, description="Messages remembered for that, twice this at most.")
    lwm2m_max_pending: int = Field(
        2_000,
        ge=1,
        description="Registrations and notifications being worked on at once, and as many that come in blocks; half of "
        "them may wait for the database, a quarter with names that were never found.",
    )
    lwm2m_handling_timeout: float = Field(
        20.0, gt=0, description="A device's request that takes longer is answered 5.03."
    )
    lwm2m_acknowledge_after: float = Field(
        5.0,
        ge=0,
        description="A device's Confirmable request that takes longer is acknowledged and answered later in a message "
        "of its own (RFC 7252, 5.2.2); clients made of Wakaama wait for that some seconds only; 0: never.",
    )

    lwm2m_max_unknown: float = Field(
        10.0,
        gt=0,
        description="Registrations per second of unknown devices that are looked up for one address and port, ten "
        "times as many at once; others get 4.29.",
    )
    lwm2m_max_unknown_per_host: float = Field(
        200.0, gt=0, description="The same for one IP address (IPv6: one /64), which many devices may share."
    )

    lwm2m_unbound_names: UnboundNames = Field(
        UnboundNames.REFUSED,
        description="Whose an endpoint client name is that the administrator has bound to no app: `refused`, it cannot "
        "register; `first_device`, that of the device of this name that was created first, by whichever app.",
    )

    lwm2m_lifetime_default: int = Field(86_400, ge=1, description="Lifetime of a registration that gives none.")
    lwm2m_lifetime_min: int = Field(10, ge=1, description="Shorter lifetimes are raised to this.")
    lwm2m_lifetime_max: int = Field(31_536_000, ge=1, description="Longer lifetimes are cut to this.")
    lwm2m_awake_window: float = Field(
        93.0, gt=0, description="How long a queue-mode device listens (MAX_TRANSMIT_WAIT)."
    )
    lwm2m_execute_suspension: float = Field(
        30.0,
        ge=0,
        description="How long sends are suspended after an Execute that restarts the device, if it sends nothing.",
    )

    lwm2m_device_cache_ttl: float = Field(60.0, ge=0, description="How long a known endpoint is not looked up again.")
    lwm2m_device_check_interval: float = Field(
        3_600.0, ge=0, description="How often an Update makes sure that its device has not been deleted."
    )
    lwm2m_device_cache_size: int = Field(100_000, ge=1, description="Known endpoints that are kept.")
    lwm2m_image_cache: int = Field(
        268_435_456, ge=1_048_576, description="Bytes of images in memory, in chunks that all downloads share."
    )
    lwm2m_block_size: int = Field(
        1_024, ge=16, le=1_024, description="Bytes of an image block if the device names no size."
    )

    lwm2m_max_commands: int = Field(10_000, ge=1, description="Commands being worked on at once; more stay in Kafka.")
    lwm2m_max_commands_per_device: int = Field(
        8, ge=1, description="Commands that wait for one device; more: `asleep`."
    )
    lwm2m_commit_interval: float = Field(1.0, gt=0, description="How often answered commands are committed.")
    lwm2m_counters_interval: float = Field(60.0, gt=0, description="How often counters are logged.")
    lwm2m_handover: float = Field(
        1.0,
        ge=0,
        description="How long an older process with our ordinal that has not left is given to end; Kafka tells it.",
    )
    lwm2m_inherit_after: float = Field(
        120.0,
        ge=0,
        description="How long an ordinal may be gone until the lowest of those that serve answers its commands; longer "
        "than a restart takes.",
    )
    lwm2m_drain: float = Field(
        10.0,
        ge=0,
        description="At the end, how long downloads that are under way may take to end; 10 s below `shutdown_grace`.",
    )
    lwm2m_shutdown_timeout: float = Field(5.0, gt=0, description="How long a stop waits for commands in flight.")

    @model_validator(mode="after")
    def _has_a_partition(self) -> Self:
        """Refuse an ordinal whose commands nobody could publish."""
        if self.lwm2m_ordinal >= self.partitions:
            raise ValueError("SLUICE_LWM2M_ORDINAL must be below SLUICE_PARTITIONS: each gateway has one of its own")
        return self

    @model_validator(mode="after")
    def _drains_in_time(self) -> Self:
        """Refuse to begin what the grace period would cut off: commands and answers have their part of it."""
        if self.lwm2m_drain + CLOSING_SECONDS > self.shutdown_grace:
            raise ValueError(f"SLUICE_LWM2M_DRAIN must be {CLOSING_SECONDS:g} s below SLUICE_SHUTDOWN_GRACE")
        return self

    @model_validator(mode="after")
    def _devices_can_reach_images(self) -> Self:
        """Refuse to put an address into Package URIs that no device can reach."""
        if self.lwm2m_public_uri is None and _is_wildcard(self.lwm2m_host):
            raise ValueError("listening on all addresses needs SLUICE_LWM2M_PUBLIC_URI: where devices reach them")
        return self

    @property
    def image_uri(self) -> str:
        """Scheme, host and port of image URIs."""
        host = f"[{self.lwm2m_host}]" if ":" in self.lwm2m_host else self.lwm2m_host
        return self.lwm2m_public_uri or f"coap://{host}:{self.lwm2m_port}"


def _is_wildcard(host: str) -> bool:
    """Return whether a host stands for all addresses; a name does not."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return host in {"", "0"}
