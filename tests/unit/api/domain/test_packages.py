"""Which packages may be used."""

from typing import Any

import pytest
from tests.unit.api.records import package, product

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import KeyStatus, PackageStatus, Rejection
from sluice_api.domain.packages import rejection, require_same_product, require_usable, why_unusable
from sluice_common.reasons import ReasonCode


@pytest.mark.parametrize(
    ("changes", "key", "why"),
    [
        ({}, KeyStatus.ACTIVE, None),
        ({}, KeyStatus.INACTIVE, None),
        ({}, KeyStatus.REVOKED, ReasonCode.KEY_REVOKED),
        ({}, None, ReasonCode.KEY_DELETED),
        ({"deleting": True}, KeyStatus.ACTIVE, ReasonCode.PACKAGE_DELETED),
    ],
)
def test_a_package_is_usable_while_it_and_its_key_are_there(
    changes: dict[str, Any], key: KeyStatus | None, why: ReasonCode | None
) -> None:
    assert why_unusable(package(**changes), key) is why


def test_a_package_that_is_not_there_is_not_usable() -> None:
    assert why_unusable(None, None) is ReasonCode.PACKAGE_DELETED


@pytest.mark.parametrize(
    ("changes", "key", "code"),
    [
        ({"stored_status": PackageStatus.VERIFYING}, None, "package_not_verified"),
        ({"stored_status": PackageStatus.REJECTED}, None, "package_not_verified"),
        ({"stored_status": PackageStatus.REVOKED}, KeyStatus.REVOKED, "package_revoked"),
        ({}, KeyStatus.REVOKED, "package_revoked"),
        ({}, KeyStatus.DELETING, "package_not_verified"),
        ({"deleting": True}, KeyStatus.ACTIVE, "package_not_verified"),
    ],
)
def test_a_new_task_needs_a_verified_package_with_its_key(
    changes: dict[str, Any], key: KeyStatus | None, code: str
) -> None:
    with pytest.raises(ConflictError) as caught:
        require_usable(package(**changes), key)
    assert caught.value.code == code


def test_a_package_that_is_being_deleted_is_shown_so() -> None:
    assert package().status is PackageStatus.VERIFIED
    assert package(deleting=True).status is PackageStatus.DELETING


def test_an_upload_need_not_name_its_product_but_must_not_name_another() -> None:
    unsaid = dict.fromkeys(("device_type", "manufacturer", "model", "protocol"))
    require_same_product(unsaid, product())
    require_same_product(unsaid | {"model": "WM-1", "protocol": "LWM2M"}, product())
    with pytest.raises(InvalidError, match="protocol: the product's is 'LWM2M'"):
        require_same_product(unsaid | {"protocol": "MQTT"}, product())


def test_a_rejection_by_the_platform_has_a_code_and_a_text() -> None:
    assert rejection(ReasonCode.KEY_DELETED) == Rejection(
        code="key_deleted", message="The public key that verified the package was deleted"
    )
