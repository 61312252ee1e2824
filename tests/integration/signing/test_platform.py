"""The tool and the platform together: what the tool signs is accepted by upload, what is hostile is not."""

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.processes import start_process
from tests.unit.signing.hostile.corpus import FAMILIES
from tests.unit.signing.hostile.making import Family, trusted_pems

from sluice_embedded.adapters.sockets import free_base
from sluice_signing import ALGORITHMS
from sluice_signing.adapters.signtool import build

DEADLINE = 180.0
MODULES = (
    "sluice_api.entrypoints.http",
    "sluice_api.entrypoints.relay",
    "sluice_api.entrypoints.projector",
    "sluice_signing.entrypoints.service",
)
APP, SECRET = "first-app", "first-secret"
IMAGE = bytes(range(256)) * 40
TRUSTING, MAKER = "Trusting", "Maker"


class Platform:
    """An app's session at the API."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=DEADLINE)
        self.products: dict[str, str] = {}

    def until_ok(self, method: str, path: str, **parts: Any) -> httpx.Response:
        """Repeat a request until it is answered well."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                answer = self.http.request(method, path, **parts)
            except httpx.TransportError:
                answer = httpx.Response(503, text="not there yet")
            if answer.is_success:
                return answer
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.2)

    def log_in(self) -> None:
        """Get a token."""
        form = {"grant_type": "client_credentials", "client_id": APP, "client_secret": SECRET}
        token = self.until_ok("POST", "/oauth2/token", data=form).json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def add_manufacturer(self, name: str) -> None:
        """Create a product model."""
        product = {"manufacturer": name, "model": "M1", "device_type": "Meter", "protocol": "LWM2M"}
        maintenance = {"firmware_upgrade": True, "upgrade_protocol": "LWM2M"}
        answer = self.until_ok("POST", "/products", json=product | {"maintenance": maintenance})
        self.products[name] = answer.json()["product_id"]

    def add_key(self, manufacturer: str, pem: str) -> None:
        """Upload a public key."""
        answer = self.http.post("/public-keys", json={"manufacturer": manufacturer, "pem": pem})
        assert answer.is_success, answer.text

    def upload(self, manufacturer: str, version: str | None, file: bytes) -> dict[str, Any]:
        """Upload a package and return it once it is verified or rejected."""
        answer = self.http.post(
            "/packages",
            data={"product_id": self.products[manufacturer]} | ({"version": version} if version else {}),
            files={"file": ("app_signed.zip", file, "application/zip")},
        )
        assert answer.status_code == 202, answer.text
        deadline = time.monotonic() + DEADLINE
        package: dict[str, Any] = answer.json()
        while package["status"] == "VERIFYING":
            assert time.monotonic() < deadline
            time.sleep(0.1)
            package = self.http.get(f"/packages/{package['package_id']}").json()
        return package


@pytest.fixture(scope="module")
def platform(
    kafka: str, mongodb: str, database_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """API, relay, projector and signing service on a database of their own."""
    port = free_base()
    environment = os.environ | {
        "KAFKA_BOOTSTRAP": kafka,
        "MONGODB_URI": mongodb,
        "SLUICE_MONGODB_DATABASE": database_name,
        "SLUICE_API_PORT": str(port),
        "SLUICE_ACCESS_TOKEN_KEYS": "k" * 40,
        "SLUICE_SEALING_KEYS": "s" * 40,
        "SLUICE_BOOTSTRAP_APP_ID": APP,
        "SLUICE_BOOTSTRAP_APP_SECRET": SECRET,
    }
    with (tmp_path_factory.mktemp("platform") / "log").open("ab") as log:
        processes = [
            start_process([sys.executable, "-m", module], env=environment, stdout=log, stderr=log) for module in MODULES
        ]
    platform = Platform(f"http://127.0.0.1:{port}/api/v1")
    platform.log_in()
    for name in (TRUSTING, MAKER):
        platform.add_manufacturer(name)
    for pem in trusted_pems():
        platform.add_key(TRUSTING, pem)
    yield platform
    platform.http.close()
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(DEADLINE)


def _tool(*arguments: str | Path) -> None:
    environment = os.environ | {"SLUICE_SIGN_PASSPHRASE": "abc123"}
    command = [sys.executable, "-m", "sluice_signing", *map(str, arguments)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.requirement("R022", "R041", "R043", "R050", "R052", "R053")
@pytest.mark.parametrize("algorithm", [algorithm.name for algorithm in ALGORITHMS])
def test_a_package_signed_by_the_tool_goes_through_the_upload(
    algorithm: str, platform: Platform, tmp_path: Path
) -> None:
    path = tmp_path / "app.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.bin", IMAGE)
    _tool("keygen", "--algorithm", algorithm, "--out", tmp_path / "keys")
    version = f"v-{algorithm.replace('+', '-')}"[:16]
    release = ("--manufacturer", MAKER, "--model", "M0", "--model", "M1", "--version", version, "--sequence", "7")
    _tool("sign", "--key", tmp_path / "keys" / "private.pem", *release, path)
    platform.add_key(MAKER, (tmp_path / "keys" / "public.pem").read_text())
    package = platform.upload(MAKER, None, (tmp_path / "app_signed.zip").read_bytes())
    assert (package["status"], package["algorithm"]) == ("VERIFIED", algorithm), package["rejection"]
    assert (package["version"], package["models"], package["sequence"]) == (version, ["M0", "M1"], 7)
    assert (package["image_size"], package["image_sha256"]) == (len(IMAGE), sha256(IMAGE).hexdigest())


@pytest.mark.requirement("D16", "R023")
def test_an_old_image_does_not_come_back_under_a_new_label(platform: Platform, tmp_path: Path) -> None:
    path, signed = tmp_path / "app.zip", tmp_path / "app_signed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.bin", IMAGE)
    key = tmp_path / "keys" / "private.pem"
    _tool("keygen", "--out", key.parent)
    platform.add_manufacturer("Careful")
    platform.add_key("Careful", (key.parent / "public.pem").read_text())
    rule = {"ordering": "semver", "minimum_version": "2.0.0"}
    product = platform.products["Careful"]
    assert platform.http.patch(f"/products/{product}", json={"anti_rollback": rule}).is_success
    found = {}
    for version in ("1.0.0", "2.0.0"):
        _tool("sign", "--key", key, "--manufacturer", "Careful", "--model", "M1", "--version", version, path)
        for label in (None, "9.0.0"):
            package = platform.upload("Careful", label, signed.read_bytes())
            found[version, label] = (package["rejection"] or {"code": package["status"]})["code"]
    _tool("sign", "--key", key, "--manifest-v1", path)
    found["unsigned", "9.0.0"] = platform.upload("Careful", "9.0.0", signed.read_bytes())["rejection"]["code"]
    assert found == {
        ("1.0.0", None): "version_below_minimum",
        ("1.0.0", "9.0.0"): "signed_version_differs",
        ("2.0.0", None): "VERIFIED",
        ("2.0.0", "9.0.0"): "signed_version_differs",
        ("unsigned", "9.0.0"): "manifest_v1_not_allowed",
    }


@pytest.mark.requirement("R023", "R024")
@pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])
def test_a_hostile_upload_is_rejected_with_its_reason(family: Family, platform: Platform) -> None:
    package = next(package for package in family.make() if package.raw.startswith(b"PK"))
    answer = platform.upload(TRUSTING, f"h-{FAMILIES.index(family)}", package.raw)
    assert (answer["status"], answer["rejection"]["code"]) == ("REJECTED", family.code)
    assert answer["rejection"]["message"].endswith(".")
    assert answer["image_size"] is None


@pytest.mark.requirement("R040")
def test_the_tool_is_downloaded_from_the_platform(platform: Platform) -> None:
    answer = platform.until_ok("GET", "/signtool.zip", headers={"Authorization": ""})
    assert answer.headers["content-type"] == "application/zip"
    assert answer.content == build()
    etag = answer.headers["etag"]
    assert etag == f'"{sha256(answer.content).hexdigest()}"'
    assert platform.http.get("/signtool.zip", headers={"If-None-Match": etag}).status_code == 304
    shown = platform.http.get("/signtool.zip.sha256", headers={"Authorization": ""})
    assert shown.text == f"{etag[1:-1]}  signtool.zip\n"
