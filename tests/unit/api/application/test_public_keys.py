import pytest
from tests.unit.api.application.fakes import FakeKeys, FakeProducts
from tests.unit.api.records import AT, product, public_key

from sluice_api.application.public_keys import add_key, delete_key, revoke_key, set_active
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import KeyStatus

PRODUCTS = FakeProducts(m=product())


@pytest.mark.requirement("R051")
async def test_a_key_needs_a_product_of_its_manufacturer() -> None:
    with pytest.raises(InvalidError) as caught:
        await add_key(PRODUCTS, FakeKeys(), public_key(manufacturer="Nobody"))
    assert caught.value.code == "unknown_manufacturer"


async def test_a_revoked_key_cannot_be_added_again_under_another_manufacturer() -> None:
    keys = FakeKeys(k=public_key(status=KeyStatus.REVOKED, manufacturer="Other"))
    with pytest.raises(ConflictError) as caught:
        await add_key(PRODUCTS, keys, public_key(key_id="k2"))
    assert caught.value.code == "key_revoked"


async def test_a_manufacturer_has_at_most_32_active_keys() -> None:
    keys = FakeKeys(**{f"k{n}": public_key(key_id=f"k{n}") for n in range(32)})
    with pytest.raises(ConflictError) as caught:
        await add_key(PRODUCTS, keys, public_key(key_id="new", fingerprint="00"))
    assert caught.value.code == "too_many_keys"
    await add_key(PRODUCTS, keys, public_key(key_id="new", fingerprint="00", status=KeyStatus.INACTIVE))
    with pytest.raises(ConflictError):
        await set_active(keys, "a", "new", active=True)
    assert (await set_active(keys, "a", "k0", active=False)).status is KeyStatus.INACTIVE
    assert (await set_active(keys, "a", "new", active=True)).status is KeyStatus.ACTIVE


async def test_a_revoked_key_is_not_activated() -> None:
    keys = FakeKeys(k=public_key())
    assert (await revoke_key(keys, "a", "k", "stolen", AT)).revocation_reason == "stolen"
    for active in (True, False):
        with pytest.raises(ConflictError):
            await set_active(keys, "a", "k", active=active)


async def test_an_unused_key_is_deleted() -> None:
    keys = FakeKeys(k=public_key())
    await delete_key(keys, "a", "k")
    assert keys.records == {}


@pytest.mark.parametrize("uses", [[True], [False, True]])
async def test_a_key_that_a_package_needs_stays_as_it_is(uses: list[bool]) -> None:
    keys = FakeKeys(k=public_key(status=KeyStatus.INACTIVE))
    keys.uses = uses
    with pytest.raises(ConflictError) as caught:
        await delete_key(keys, "a", "k")
    assert caught.value.code == "key_in_use"
    assert keys.records["k"].status is KeyStatus.INACTIVE


async def test_a_deletion_that_was_cut_short_is_completed_by_repeating_it() -> None:
    keys = FakeKeys(k=public_key(status=KeyStatus.DELETING))
    await delete_key(keys, "a", "k")
    assert keys.records == {}


async def test_a_revoked_key_is_not_deleted() -> None:
    keys = FakeKeys(k=public_key(status=KeyStatus.REVOKED))
    with pytest.raises(ConflictError) as caught:
        await delete_key(keys, "a", "k")
    assert caught.value.code == "key_revoked"
