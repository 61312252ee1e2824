"""Settings of the API and its workers, each an environment variable `SLUICE_<NAME>`."""

import socket

from pydantic import Field, SecretStr

from sluice_common.settings import CommonSettings, SealingSettings

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB


class ApiSettings(SealingSettings):
    """HTTP API and what it bootstraps."""

    linger: float = Field(0.0, ge=0, description="Seconds a producer waits to fill a batch; here it sends hints only.")
    api_host: str = Field("127.0.0.1", description="Address to listen on.")
    api_port: int = Field(17_000, ge=1, le=65_535, description="TCP port to listen on.")
    access_token_keys: SecretStr = Field(
        SecretStr(""),
        description="They give the key pairs of access tokens, comma-separated, each of at least 32 characters; the "
        "first signs, all check.",
    )
    access_token_lifetime: int = Field(3600, ge=60, description="Seconds an access token is valid.")
    bootstrap_app_id: str = Field("", description="First app: its id and OAuth2 client id; empty makes none.")
    bootstrap_app_secret: SecretStr = Field(SecretStr(""), description="Client secret of the first app.")
    admin_password: SecretStr = Field(SecretStr(""), description="Password of `admin`; empty disables it.")
    body_limit: int = Field(4 * _MIB, ge=_KIB, description="Most bytes of a request body, uploads excepted.")
    body_idle_timeout: float = Field(60.0, gt=0, description="Seconds that the next piece of a body may take.")
    api_max_headers: int = Field(100, ge=1, description="Most headers of a request; more are answered 431.")
    api_max_head: int = Field(32 * _KIB, ge=_KIB, description="Most bytes of a request line and headers; else 431.")
    api_head_timeout: float = Field(
        10.0,
        gt=0,
        description="Seconds in which they must have come, from a connection's begin or the first byte; else 408.",
    )
    api_max_connections: int = Field(
        1000, ge=1, description="Most connections, and most requests at once; more are answered 503."
    )
    api_max_connections_of_address: int = Field(
        0,
        ge=0,
        description="Most connections from one address, others are closed; 0 for any number, as behind a proxy.",
    )
    package_limit: int = Field(
        _GIB + 4 * _MIB, ge=1, description="Most bytes of an uploaded package: 1 GiB of content, headers and manifest."
    )
    bulk_limit: int = Field(256 * _MIB, ge=1, description="Most bytes of a bulk upload of devices.")
    max_subscriptions: int = Field(
        100, ge=1, description="Most subscriptions of an app: each has a delivery for every event of all its devices."
    )
    max_slot_timeout: float = Field(
        14_400.0,
        gt=0,
        description="Most seconds of each timeout that a task sets for what devices do while they hold a slot of their "
        "cell, which all apps share.",
    )
    callback_allow_private: bool = Field(
        default=False,
        description="Whether callbacks may go to loopback and private addresses: not where apps are strangers.",
    )


class RelaySettings(CommonSettings):
    """Outbox relay and task expansion."""

    linger: float = Field(0.0, ge=0, description="Seconds a producer waits to fill a batch; here batches come whole.")
    relay_interval: float = Field(
        0.5, gt=0, description="Seconds between looks at the outbox, unless a hint of the API comes."
    )
    relay_page: int = Field(1000, ge=1, le=10_000, description="Devices of one page of a task's expansion.")
    tasks_keep: float = Field(
        400.0, ge=0, description="Days that a task and its executions are kept after its end; 0 keeps them for ever."
    )
    deleted_devices_keep: float = Field(
        9.0,
        ge=0,
        description="Days until the scheduler forgets a deleted device: more than it keeps ids of ended executions.",
    )
    relay_lease: float = Field(10.0, gt=0, description="Seconds after which another relay takes over.")
    relay_name: str = Field(
        default_factory=socket.gethostname,
        description="Who holds the lease; a restarted relay of the same name goes on at once.",
    )


class ResealSettings(SealingSettings):
    """The command that seals all secrets anew with the first key."""

    reseal_page: int = Field(500, ge=1, le=10_000, description="Documents that are read and written at once.")


class ProjectorSettings(CommonSettings):
    """Projection of what the scheduler, gateways and signing decided."""

    projector_gather: float = Field(1.0, ge=0, description="Seconds between batches: more is cheaper and later.")
    progress_sweep: float = Field(60.0, gt=0, description="Seconds between looks at all tasks that are under way.")
    progress_recount: float = Field(
        3600.0, gt=0, description="Seconds between counts of all their executions; the first is at the start."
    )
    last_seen_interval: float = Field(30.0, ge=0, description="Seconds within which a device's last-seen may lag.")


class NotifierSettings(SealingSettings):
    """Callbacks to app servers."""

    notifier_gather: float = Field(0.2, ge=0, description="Seconds between batches of events.")
    callback_allow_private: bool = Field(
        default=False,
        description="Whether callbacks may go to loopback and private addresses: not where apps are strangers.",
    )
    callback_timeout: float = Field(10.0, gt=0, description="Seconds a receiver has to answer.")
    callback_concurrency: int = Field(8, ge=1, description="Callbacks at the same time to one receiver.")
    callback_app_concurrency: int = Field(64, ge=1, description="Callbacks at the same time for one app.")
    callback_breaker: int = Field(
        5, ge=1, description="Failures in a row after which a receiver is called once per pause, whatever waits for it."
    )
    callback_nameservers: str = Field(
        "", description="DNS servers that resolve receivers, `address[:port]`, comma-separated; empty: the system's."
    )
    callback_queue: int = Field(1000, ge=1, description="Callbacks to one receiver that are held in memory.")
    callback_retry_first: float = Field(1.0, gt=0, description="Seconds from the first failure to the next attempt.")
    callback_retry_max: float = Field(900.0, gt=0, description="Most seconds between two attempts.")
    callback_give_up: float = Field(86_400.0, gt=0, description="Seconds after the event when attempts end.")
    callback_scan: float = Field(1.0, gt=0, description="Seconds between looks for callbacks that are due again.")
    callback_keep: float = Field(
        172_800.0,
        gt=0,
        description="Seconds deliveries are remembered, so that a replay repeats none; more than `callback_give_up`.",
    )
