"""Which packages may be used."""

from typing import Any

import msgspec
import pytest
from tests.unit.api.records import package, product

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import AntiRollback, KeyStatus, Ordering, PackageStatus, Rejection
from sluice_api.domain.packages import (
    rejection,
    require_same_product,
    require_usable,
    require_version_allowed,
    why_rejected,
    why_unusable,
)
from sluice_common.messages.package_events import SignedRelease
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


RELEASE = SignedRelease(manufacturer="Acme", models=("WM-0", "WM-1"), version="2.0.0", sequence=7)
LEAST = AntiRollback(ordering=Ordering.SEMVER, minimum_version="1.4.0")
WAITING = package(stored_status=PackageStatus.VERIFYING)


def _signed(**changes: Any) -> SignedRelease:
    return msgspec.structs.replace(RELEASE, **changes)


def _code(why: Rejection | None) -> str | None:
    return why.code if why else None


@pytest.mark.parametrize(
    ("release", "code"),
    [
        (RELEASE, None),
        (_signed(manufacturer="ACME"), "signed_manufacturer_differs"),
        (_signed(models=("WM-0", "wm-1")), "signed_model_differs"),
        (_signed(version="2.0.0 "), "signed_version_differs"),
        (_signed(version="1.0.0"), "signed_version_differs"),
    ],
)
def test_what_is_signed_must_be_what_product_and_form_say(release: SignedRelease, code: str | None) -> None:
    assert _code(why_rejected(WAITING, product(), KeyStatus.ACTIVE, release)) == code


@pytest.mark.parametrize(
    ("version", "code"),
    [("1.4.0", None), ("1.3.9", "version_below_minimum"), ("new", "version_not_comparable")],
)
def test_a_version_that_the_form_does_not_say_is_held_against_the_least_one_once_it_is_read(
    version: str, code: str | None
) -> None:
    unsaid = msgspec.structs.replace(WAITING, version=None)
    why = why_rejected(unsaid, product(anti_rollback=LEAST), KeyStatus.ACTIVE, _signed(version=version))
    assert _code(why) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"keeps_manifest_v1": False}, None),
        ({"keeps_manifest_v1": False, "anti_rollback": LEAST}, "manifest_v1_not_allowed"),
        ({"keeps_manifest_v1": True, "anti_rollback": LEAST}, None),
    ],
)
def test_a_version_that_is_not_signed_counts_where_there_is_no_least_one_or_the_product_is_old(
    changes: dict[str, Any], code: str | None
) -> None:
    assert _code(why_rejected(WAITING, product(**changes), KeyStatus.ACTIVE, None)) == code
    later = package(manifest_version=1)
    if code is None:
        require_version_allowed(later, product(**changes))
    else:
        with pytest.raises(ConflictError) as caught:
            require_version_allowed(later, product(**changes))
        assert caught.value.code == code


def test_a_task_may_have_a_package_whose_version_is_signed() -> None:
    strict = product(keeps_manifest_v1=False, anti_rollback=LEAST)
    require_version_allowed(package(manifest_version=2), strict)
    with pytest.raises(ConflictError):
        require_version_allowed(package(manifest_version=None), strict)


def test_a_version_must_be_said_by_form_or_manifest() -> None:
    unsaid = msgspec.structs.replace(WAITING, version=None)
    assert _code(why_rejected(unsaid, product(), KeyStatus.ACTIVE, None)) == "version_missing"
    assert why_rejected(unsaid, product(), KeyStatus.ACTIVE, RELEASE) is None


@pytest.mark.parametrize(
    ("key", "code"), [(KeyStatus.INACTIVE, "key_inactive"), (KeyStatus.REVOKED, None), (None, None)]
)
def test_a_key_that_was_deactivated_before_its_verdict_verifies_nothing(
    key: KeyStatus | None, code: str | None
) -> None:
    assert _code(why_rejected(WAITING, product(), key, RELEASE)) == code
