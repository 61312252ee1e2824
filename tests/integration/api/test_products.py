import io
import json
import struct
import zipfile
from collections.abc import Callable

import httpx
import pytest
from tests.integration.api.api_client import client_of, made, refused
from tests.integration.api.fleet import NewFleet, signed_zip

from sluice_common.ids import new_id

PRODUCT = {"manufacturer": "Acme", "model": "M", "device_type": "Meter", "protocol": "LWM2M"}
SUPPORTED = {"firmware_upgrade": True, "upgrade_protocol": "LWM2M"}


@pytest.mark.requirement("R002", "R010", "R011", "R012", "R013", "R014", "R016")
@pytest.mark.parametrize("protocol", ["LWM2M", "MQTT"])
def test_the_maintenance_capability_is_seen_and_switched_per_product_model(app: httpx.Client, protocol: str) -> None:
    product = made(app.post("/products", json=PRODUCT | {"protocol": protocol, "model": new_id()}))
    path = f"/products/{product['product_id']}"
    assert product["maintenance"] == {"firmware_upgrade": False, "upgrade_protocol": None}
    made(app.patch(path, json={"maintenance": SUPPORTED}))
    assert made(app.get(path))["maintenance"] == SUPPORTED
    made(app.patch(path, json={"maintenance": {"firmware_upgrade": True}}))
    assert made(app.get(path))["maintenance"] == {"firmware_upgrade": True, "upgrade_protocol": None}


@pytest.mark.requirement("R013")
def test_the_upgrade_protocol_of_an_mqtt_model_is_not_validated(app: httpx.Client) -> None:
    capability = {"firmware_upgrade": True, "upgrade_protocol": "anything"}
    product = made(
        app.post("/products", json=PRODUCT | {"protocol": "MQTT", "model": new_id(), "maintenance": capability})
    )
    assert product["maintenance"] == capability


@pytest.mark.requirement("R012")
def test_an_lwm2m_model_cannot_be_switched_to_another_upgrade_protocol(app: httpx.Client) -> None:
    product = made(app.post("/products", json=PRODUCT | {"model": new_id()}))
    change = {"maintenance": {"firmware_upgrade": True, "upgrade_protocol": "PCP"}}
    problem = refused(app.patch(f"/products/{product['product_id']}", json=change), 422, "validation_failed")
    assert problem["errors"][0]["field"] == "maintenance.upgrade_protocol"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"manufacturer": ""}, "manufacturer"),
        ({"manufacturer": "a\nb"}, "manufacturer"),
        ({"protocol": "lwm2m"}, "protocol"),
        ({"network": "a/b"}, "network"),
        ({"radio": {"sinr_path": "4/0/11"}}, "radio.sinr_path"),
        ({"radio": {"rsrp_scale": 0}}, "radio.rsrp_scale"),
        ({"maintenance": {"firmware_upgrade": True, "upgrade_protocol": "PCP"}}, "maintenance.upgrade_protocol"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_product_is_refused_by_field(app: httpx.Client, change: dict[str, object], field: str) -> None:
    problem = refused(app.post("/products", json=PRODUCT | change), 422, "validation_failed")
    assert [e["field"] for e in problem["errors"]] == [field]


def test_a_product_names_a_network_of_the_administrator_s_list(base_url: str, admin: httpx.Client) -> None:
    created = made(admin.post("/apps", json={"name": "with networks"}))
    assert created["networks"] == ["default"]
    path = f"/apps/{created['app_id']}"
    with client_of(base_url, created["client_id"], created["client_secret"]) as app:
        own = made(app.post("/products", json=PRODUCT | {"network": None}))
        assert own["network"] == "default"
        refused(app.post("/products", json=PRODUCT | {"model": "M2", "network": "mine"}), 422, "unknown_network")
        made(admin.patch(path, json={"networks": ["46001", "46002"]}))
        assert made(app.get("/networks"))["networks"] == ["46001", "46002"]
        one = f"/products/{own['product_id']}"
        assert made(app.patch(one, json={"network": "46002"}))["network"] == "46002"
        refused(app.patch(one, json={"network": "default"}), 422, "unknown_network")
        assert made(app.post("/products", json=PRODUCT | {"model": "M3", "network": None}))["network"] == "46001"
    refused(admin.patch(path, json={"networks": []}), 422, "validation_failed")


def test_manufacturer_and_model_are_unique_within_an_app(app: httpx.Client, stranger: httpx.Client) -> None:
    product = PRODUCT | {"model": new_id()}
    made(app.post("/products", json=product))
    refused(app.post("/products", json=product), 409, "duplicate")
    assert stranger.delete(f"/products/{made(stranger.post('/products', json=product))['product_id']}").is_success


def test_a_product_in_use_cannot_be_deleted(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    (device_id,) = fleet.devices(1)
    path = f"/products/{fleet.product['product_id']}"
    refused(fleet.app.delete(path), 409, "product_in_use")
    assert fleet.app.delete(f"/devices/{device_id}").status_code == 204
    assert fleet.app.delete(path).status_code == 204
    refused(fleet.app.get(path), 404, "not_found")


def profile(model: str) -> bytes:
    device = {
        "manufacturerId": "A",
        "manufacturerName": "Acme",
        "model": model,
        "protocolType": "LWM2M",
        "deviceType": "Meter",
        "omCapability": {"fwUpgradeCapability": {"supportUpgrade": True, "upgradeProtocolType": "LWM2M"}},
    }
    return json.dumps({"devices": [device]}).encode()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("profile/devicetype-capability.json", content)
        archive.writestr("service/Battery/profile/servicetype-capability.json", '{"services":[]}')
    return out.getvalue()


@pytest.mark.requirement("R010", "R012")
@pytest.mark.parametrize(
    ("kind", "pack"), [("application/zip", zipped), ("application/json", bytes), ("application/octet-stream", zipped)]
)
def test_a_product_profile_makes_a_product_model(app: httpx.Client, kind: str, pack: Callable[[bytes], bytes]) -> None:
    model, headers = new_id(), {"Content-Type": kind, "Idempotency-Key": new_id()}
    content = pack(profile(model))
    imported = made(app.post("/products/import", content=content, headers=headers))
    (product,) = imported["items"]
    assert (product["manufacturer"], product["model"], product["maintenance"]) == ("Acme", model, SUPPORTED)
    assert made(app.get(f"/products/{product['product_id']}")) == product
    assert made(app.post("/products/import", content=content, headers=headers)) == imported
    refused(app.post("/products/import", content=content, headers={"Content-Type": kind}), 409, "duplicate")


def test_a_product_profile_that_is_none_is_refused(app: httpx.Client) -> None:
    for content in (b"PK\x03\x04 no zip", b"{", b""):
        refused(
            app.post("/products/import", content=content, headers={"Content-Type": "application/zip"}),
            422,
            "bad_profile",
        )
    refused(
        app.post("/products/import", content=b"{}", headers={"Content-Type": "text/plain"}),
        415,
        "unsupported_media_type",
    )
    large = {"Content-Type": "application/zip"}
    refused(app.post("/products/import", content=bytes(5 * 1024 * 1024), headers=large), 413, "too_large")


def test_a_profile_made_to_break_the_reader_is_refused_and_leaves_its_idempotency_key_free(app: httpx.Client) -> None:
    entry = zipfile.ZipInfo("profile/devicetype-capability.json")
    entry.extra = struct.pack("<HHQ", 1, 8, 2**63)
    out, model = io.BytesIO(), new_id()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, profile(model))
    hostile = bytearray(out.getvalue())
    # It lies where its ZIP64 field says: farther away than any seek goes.
    struct.pack_into("<I", hostile, hostile.rindex(b"PK\x01\x02") + 42, 0xFFFF_FFFF)
    headers = {"Content-Type": "application/zip", "Idempotency-Key": new_id()}
    refused(app.post("/products/import", content=bytes(hostile), headers=headers), 422, "bad_profile")
    made(app.post("/products/import", content=zipped(profile(model)), headers=headers))


@pytest.mark.requirement("D16")
def test_packages_and_tasks_below_the_least_version_are_refused(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    fleet.devices(1)
    path = f"/products/{fleet.product['product_id']}"
    package = fleet.package("1.9")
    least = {"ordering": "numeric", "minimum_version": "1.10"}
    assert made(fleet.app.patch(path, json={"anti_rollback": least}))["anti_rollback"] == least
    problem = refused(fleet.task(package), 409, "version_below_minimum")
    assert "1.9" in problem["detail"]
    assert "1.10" in problem["detail"]
    fields = {"product_id": fleet.product["product_id"]}
    files = {"file": ("p_signed.zip", signed_zip())}
    refused(fleet.app.post("/packages", data=fields | {"version": "1.2"}, files=files), 409, "version_below_minimum")
    refused(fleet.app.post("/packages", data=fields | {"version": "new"}, files=files), 409, "version_not_comparable")
    made(fleet.app.post("/packages", data=fields | {"version": "V1.10.0"}, files=files))
    change = {"anti_rollback": {"ordering": "semver", "minimum_version": "1.10"}}
    refused(fleet.app.patch(path, json=change), 422, "version_not_comparable")
    made(fleet.app.patch(path, json={"anti_rollback": {"ordering": "numeric", "minimum_version": None}}))
    made(fleet.task(package))
