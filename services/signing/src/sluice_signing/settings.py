"""Settings of the verification service; the offline tool has none."""

from pathlib import Path

from pydantic import Field

from sluice_common.settings import CommonSettings

_MIB = 1024 * 1024


class SigningSettings(CommonSettings):
    """Every field is an environment variable ``SLUICE_<NAME>``."""

    signing_memory_bytes: int = Field(
        512 * _MIB,
        ge=128 * _MIB,
        description="Most address space in bytes of the process that verifies a package.",
    )
    signing_time_limit: float = Field(
        120.0,
        gt=0,
        description="Most seconds for verifying a package.",
    )
    signing_concurrency: int = Field(
        4, ge=1, description="Packages verified at once, each in a process of its own; apps take turns."
    )
    signing_app_concurrency: int = Field(
        2, ge=1, description="Packages of one app verified at once: fewer than all, so that there is room for others."
    )
    signing_work_folder: Path | None = Field(
        None,
        description="Folder for two temporary files, of up to 1 GiB each, of every package that is verified; the "
        "system's if unset. What it has no room for waits.",
    )
