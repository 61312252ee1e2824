import pytest
from tests.unit.api.application.fakes import FakeProducts
from tests.unit.api.records import product

from sluice_api.application.products import (
    change_product,
    delete_product,
    import_products,
    network_among,
    product_named,
)
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import AntiRollback, Maintenance, Ordering, ProductChange, Protocol


async def test_an_import_adds_all_its_models_or_none() -> None:
    products = FakeProducts(m=product())
    wanted = [product(product_id="n1", model="New"), product(product_id="n2")]
    with pytest.raises(ConflictError, match="'WM-1' of 'Acme'"):
        await import_products(products, wanted)
    assert set(products.records) == {"m"}


async def test_an_import_that_was_cut_short_is_completed_by_repeating_it() -> None:
    products = FakeProducts(n1=product(product_id="n1", model="New"))
    wanted = [product(product_id="n1", model="New"), product(product_id="n2", model="Newer")]
    assert await import_products(products, wanted) == wanted


async def test_of_a_product_changes_what_is_given() -> None:
    products = FakeProducts(m=product())
    changed = await change_product(products, ["n2"], "a", "m", ProductChange(network="n2", one_based_ranges=True))
    assert changed == product(network="n2", one_based_ranges=True)


async def test_a_product_names_no_network_but_those_that_the_administrator_lets_its_app_name() -> None:
    assert network_among(["n1", "n2"], None) == "n1"
    assert network_among(["n1", "n2"], "n2") == "n2"
    with pytest.raises(InvalidError, match="n1, n2"):
        network_among(["n1", "n2"], "a window of my own")
    products = FakeProducts(m=product(network="of before"))
    with pytest.raises(InvalidError):
        await change_product(products, ["n1"], "a", "m", ProductChange(network="n2"))
    assert (await change_product(products, ["n1"], "a", "m", ProductChange(network="of before"))).network == "of before"


@pytest.mark.requirement("R012", "R013")
async def test_an_lwm2m_product_is_upgraded_by_lwm2m_or_not_at_all() -> None:
    change = ProductChange(maintenance=Maintenance(firmware_upgrade=True, upgrade_protocol="PCP"))
    with pytest.raises(InvalidError, match="must be LWM2M"):
        await change_product(FakeProducts(m=product()), ["n1"], "a", "m", change)
    await change_product(FakeProducts(m=product(protocol=Protocol.MQTT)), ["n1"], "a", "m", change)


async def test_a_minimum_version_must_have_a_place_in_its_ordering() -> None:
    change = ProductChange(anti_rollback=AntiRollback(ordering=Ordering.SEMVER, minimum_version="one"))
    with pytest.raises(InvalidError):
        await change_product(FakeProducts(m=product()), ["n1"], "a", "m", change)


async def test_a_product_in_use_is_not_deleted() -> None:
    products = FakeProducts(m=product())
    products.used_by = "devices"
    with pytest.raises(ConflictError, match="There are devices of this product"):
        await delete_product(products, "a", "m")
    products.used_by = None
    await delete_product(products, "a", "m")
    assert products.records == {}


async def test_a_product_that_a_body_names_must_be_the_apps() -> None:
    products = FakeProducts(m=product())
    assert await product_named(products, "a", "m") == product()
    with pytest.raises(InvalidError) as caught:
        await product_named(products, "b", "m")
    assert caught.value.code == "unknown_product"
