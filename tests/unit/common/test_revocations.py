"""Revoked images: known by the event, and nothing else is."""

import pytest

from sluice_common.messages.base import now, to_json
from sluice_common.messages.codec import PACKAGE_EVENTS
from sluice_common.messages.package_events import PackageRejected, PackageRevoked
from sluice_common.revocations import RevokedImages
from sluice_common.settings import CommonSettings

REVOKED = PackageRevoked(app_id="a", occurred_at=now(), package_id="p", image_id="i", key_id="k")


@pytest.mark.requirement("D15")
async def test_an_image_is_revoked_from_its_event_on() -> None:
    reported: list[str] = []
    revoked = RevokedImages(CommonSettings())
    revoked.on_revoked = reported.append
    assert "i" not in revoked
    await revoked.take(PackageRejected(app_id="a", occurred_at=now(), package_id="p", code="c", message="i"))
    assert "i" not in revoked
    await revoked.take(REVOKED)
    assert "i" in revoked
    assert "j" not in revoked
    assert reported == ["i"]


def test_a_revocation_travels_unchanged() -> None:
    assert PACKAGE_EVENTS.decode(to_json(REVOKED)) == REVOKED
