"""Messages of the gateway's tests."""

from collections.abc import Callable
from typing import Any

import pytest

from sluice_common.messages.base import utc
from sluice_common.messages.mqtt_commands import CloseDownload, OfferFirmware
from sluice_common.messages.snapshots import PackageSnapshot

T0 = 1_700_000_000.0
DEVICE, TASK, IMAGE = "d" * 24, "a" * 24, "1" * 24

MakeOffer = Callable[..., OfferFirmware]
MakeClose = Callable[..., CloseDownload]


@pytest.fixture
def make_offer() -> MakeOffer:
    """Make an offer of an attempt."""

    def make(
        attempt: int = 1, *, task_id: str = TASK, at: float = T0, lasting: float = 3600.0, **more: Any
    ) -> OfferFirmware:
        package = PackageSnapshot(
            package_id="b" * 24,
            version="2.0",
            image_id=more.pop("image_id", IMAGE),
            image_size=more.pop("size", 1000),
            image_sha256="5f" * 32,
        )
        return OfferFirmware(
            app_id="app",
            occurred_at=utc(at),
            device_id=DEVICE,
            command_id=f"c-{task_id}-{attempt}",
            execution_id=f"{task_id}:{DEVICE}",
            attempt=attempt,
            expires_at=utc(at + lasting),
            package=package,
            not_after=utc(at + lasting),
            **more,
        )

    return make


@pytest.fixture
def make_close() -> MakeClose:
    """Make a close of an attempt."""

    def make(attempt: int = 1, *, task_id: str = TASK, at: float = T0 + 10.0) -> CloseDownload:
        return CloseDownload(
            app_id="app",
            occurred_at=utc(at),
            device_id=DEVICE,
            command_id=f"x-{task_id}-{attempt}",
            execution_id=f"{task_id}:{DEVICE}",
            attempt=attempt,
        )

    return make
