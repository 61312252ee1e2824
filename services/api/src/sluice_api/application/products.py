"""Product models: changed, imported and deleted."""

from collections.abc import Sequence

from sluice_api.application.ports import ProductRepository
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import Maintenance, Product, ProductChange, Protocol
from sluice_api.domain.versions import check_minimum


async def import_products(products: ProductRepository, imported: Sequence[Product]) -> list[Product]:
    """Add product models, or find those that this very import has added before it was interrupted.

    Raises:
        ConflictError: There is a model of this manufacturer already; then none is added.
    """
    new = [p for p in imported if await products.find(p.app_id, p.product_id) is None]
    for product in new:
        if await products.has_model(product.app_id, product.manufacturer, product.model):
            detail = f"There is a product {product.model!r} of {product.manufacturer!r}."
            raise ConflictError("duplicate", detail)
    try:
        for product in new:
            await products.add(product)
    except ConflictError as error:
        raise ConflictError("duplicate", "Another request has just created one of these products.") from error
    return [await products.get(p.app_id, p.product_id) for p in imported]


def network_among(networks: Sequence[str], wanted: str | None) -> str:
    """Return the network of a product: the one that is named, or the first.

    Args:
        networks: Those that the administrator lets its app name.
        wanted: The one that is named, if any.

    Raises:
        InvalidError: It is none of them.
    """
    if wanted is not None and wanted not in networks:
        raise InvalidError("network", f"must be one of this app's: {', '.join(networks)}", "unknown_network")
    return wanted or networks[0]


async def change_product(
    products: ProductRepository, networks: Sequence[str], app_id: str, product_id: str, change: ProductChange
) -> Product:
    """Change what does not identify a product model; it may keep a network that its app may not name any more.

    Raises:
        NotFoundError: There is none of that id.
        InvalidError: A field does not go with its protocol, or with another, or the app may not name the network.
    """
    product = await products.get(app_id, product_id)
    network_among((*networks, product.network), change.network)
    if change.maintenance is not None:
        check_maintenance(change.maintenance, product.protocol)
    if change.anti_rollback is not None:
        check_minimum(change.anti_rollback)
    return await products.change(app_id, product_id, change)


def check_maintenance(maintenance: Maintenance, protocol: Protocol) -> None:
    """Check a maintenance capability against the protocol of its product.

    Raises:
        InvalidError: An LwM2M product is upgraded by LWM2M or not at all.
    """
    if protocol is Protocol.LWM2M and maintenance.upgrade_protocol not in {None, Protocol.LWM2M}:
        raise InvalidError("maintenance.upgrade_protocol", "must be LWM2M for a product of protocol LWM2M")


async def product_named(products: ProductRepository, app_id: str, product_id: str) -> Product:
    """Return the product that a request's body names.

    Raises:
        InvalidError: The app has none of that id.
    """
    product = await products.find(app_id, product_id)
    if product is None:
        raise InvalidError("product_id", "no product of this app", "unknown_product")
    return product


async def delete_product(products: ProductRepository, app_id: str, product_id: str) -> None:
    """Delete a product model that nothing refers to.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: Devices or packages have it.
    """
    await products.get(app_id, product_id)
    if (kind := await products.using_kind(app_id, product_id)) is not None:
        raise ConflictError("product_in_use", f"There are {kind} of this product.")
    await products.delete(app_id, product_id)
