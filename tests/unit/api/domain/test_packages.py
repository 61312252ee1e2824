"""Which packages may be used."""

from typing import Any

import pytest

from sluice_api.domain.packages import rejection, status_of, unusable
from sluice_common.reasons import ReasonCode

VERIFIED: dict[str, Any] = {"status": "VERIFIED"}
ACTIVE, REVOKED = {"status": "ACTIVE"}, {"status": "REVOKED"}


@pytest.mark.parametrize(
    ("package", "key", "why"),
    [
        (VERIFIED, ACTIVE, None),
        (VERIFIED, REVOKED, ReasonCode.KEY_REVOKED),
        (VERIFIED, None, ReasonCode.KEY_DELETED),
        (VERIFIED | {"deleting": True}, ACTIVE, ReasonCode.PACKAGE_DELETED),
        (None, None, ReasonCode.PACKAGE_DELETED),
    ],
)
def test_a_package_is_usable_while_it_and_its_key_are_there(
    package: dict[str, Any] | None, key: dict[str, Any] | None, why: ReasonCode | None
) -> None:
    assert unusable(package, key) is why


def test_a_package_that_is_being_deleted_is_shown_so() -> None:
    assert status_of(VERIFIED) == "VERIFIED"
    assert status_of(VERIFIED | {"deleting": True}) == "DELETING"


def test_a_rejection_by_the_platform_has_a_code_and_a_text() -> None:
    assert rejection(ReasonCode.KEY_DELETED) == {
        "code": "key_deleted",
        "message": "The public key that verified the package was deleted",
    }
