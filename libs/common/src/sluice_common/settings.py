"""Settings that every service has. Each service's own `settings.py` extends them."""

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

CLOSING_SECONDS = 10.0
"""What a process needs to close all that it opened, when nothing of it hangs: the end of its grace period."""


MIN_KEY_CHARACTERS = 32


def keys_of(text: str) -> tuple[str, ...]:
    """Return the keys of a text, comma-separated or one a line, in their order."""
    return tuple(key for line in text.splitlines() for part in line.split(",") if (key := part.strip()))


def required_keys(setting: SecretStr, name: str) -> tuple[str, ...]:
    """Return the keys of a setting, at least one.

    Raises:
        ValueError: There is none, or one is too short.
    """
    keys = keys_of(setting.get_secret_value())
    if not keys or any(len(key) < MIN_KEY_CHARACTERS for key in keys):
        raise ValueError(f"{name} needs at least one key, and each at least {MIN_KEY_CHARACTERS} characters")
    return keys


class CommonSettings(BaseSettings):
    """Where the shared parts are. Every field is an environment variable `SLUICE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="SLUICE_", extra="ignore", populate_by_name=True)

    kafka_bootstrap: str = Field(
        "127.0.0.1:17001",
        validation_alias=AliasChoices("SLUICE_KAFKA_BOOTSTRAP", "KAFKA_BOOTSTRAP"),
        description="Kafka bootstrap servers, host:port[,host:port…].",
    )
    mongodb_uri: str = Field(
        "mongodb://127.0.0.1:17003",
        validation_alias=AliasChoices("SLUICE_MONGODB_URI", "MONGODB_URI"),
        description="Connection string of MongoDB 6+ or of a server that speaks its protocol.",
    )
    mongodb_database: str = Field("sluice", description="Database name.")
    partitions: int = Field(12, ge=1, description="Partitions of every topic; fixed at creation.")
    replication_factor: int = Field(1, ge=1, description="Replicas of every topic at creation.")
    linger: float = Field(0.02, ge=0, description="Seconds a producer waits to fill a batch (Kafka linger.ms).")
    log_level: str = Field("INFO", description="Least level that is logged.")
    log_json: bool = Field(default=True, description="JSON lines; off gives coloured lines for people.")
    reuse_port: bool = Field(
        default=False,
        description="Whether replicas on one machine share the ports of HTTP (SO_REUSEPORT, which balances on Linux).",
    )
    shutdown_grace: float = Field(
        25.0,
        gt=0,
        description="Seconds that a process has to end in good order after SIGTERM; whoever runs it grants some more.",
    )
    metrics_port: int = Field(
        0, ge=0, le=65_535, description="TCP port of `/metrics`, `/live` and `/ready` for operators; 0: none."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of that port.")
    ready_file: Path | None = Field(None, description="Created by the service once it serves; for supervisors.")


class SealingSettings(CommonSettings):
    """Settings of services that seal or open secrets (`sluice_common.sealing`)."""

    sealing_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys that seal secrets at rest, comma-separated, each of at least 32 characters; the first seals.",
    )
    sealing_keys_file: Path | None = Field(
        None, description="File with the sealing keys, one a line or comma-separated; used if `sealing_keys` is empty."
    )

    def all_sealing_keys(self) -> tuple[str, ...]:
        """Return the keys, the one that seals first; empty if none is set.

        Raises:
            ValueError: The file cannot be read.
        """
        text = self.sealing_keys.get_secret_value()
        if not text and self.sealing_keys_file is not None:
            try:
                text = self.sealing_keys_file.read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"sealing_keys_file cannot be read: {error}") from error
        return keys_of(text)
