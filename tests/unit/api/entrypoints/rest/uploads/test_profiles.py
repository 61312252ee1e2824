"""Product profiles: what is taken of them, and what hostile ones meet."""

import contextlib
import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_api.domain.errors import InvalidError
from sluice_api.domain.models import Protocol
from sluice_api.entrypoints.rest.schemas.products import Maintenance, ProductIn
from sluice_api.entrypoints.rest.uploads.profiles import ENTRY_LIMIT, read_profile

NAME = "profile/devicetype-capability.json"
DEVICE: dict[str, Any] = {
    "manufacturerId": "ABC",
    "manufacturerName": "XYZ",
    "model": "NBIoTDevice",
    "protocolType": "LWM2M",
    "deviceType": "TestDevice",
    "omCapability": {
        "upgradeCapability": {"supportUpgrade": True, "upgradeProtocolType": "PCP"},
        "fwUpgradeCapability": {"supportUpgrade": True, "upgradeProtocolType": "LWM2M"},
    },
    "serviceTypeCapabilities": [{"serviceId": "Battery", "serviceType": "Battery", "option": "Mandatory"}],
}
MODEL = ProductIn(
    manufacturer="XYZ",
    model="NBIoTDevice",
    device_type="TestDevice",
    protocol=Protocol.LWM2M,
    maintenance=Maintenance(firmware_upgrade=True, upgrade_protocol="LWM2M"),
)


def profile(**changes: object) -> bytes:
    return json.dumps({"devices": [DEVICE | changes]}).encode()


def packed(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data, method)
    return out.getvalue()


def why_refused(data: bytes) -> str:
    with pytest.raises(InvalidError) as caught:
        read_profile(data)
    assert caught.value.code == "bad_profile"
    return caught.value.detail


@pytest.mark.requirement("R012", "R030")
@pytest.mark.parametrize(
    "data",
    [
        profile(),
        b"\xef\xbb\xbf" + profile(),
        packed((NAME, profile()), ("service/Battery/profile/servicetype-capability.json", b"{}")),
        packed(("WaterMeter/", b""), (f"WaterMeter/{NAME}", profile())),
        packed((NAME, profile()), method=zipfile.ZIP_STORED),
    ],
    ids=["json", "json with byte order mark", "zip", "zip with a folder around", "stored"],
)
def test_a_profile_makes_a_product_model(data: bytes) -> None:
    assert read_profile(data) == [MODEL]


@pytest.mark.requirement("R013")
def test_the_upgrade_protocol_counts_for_lwm2m_only() -> None:
    capability = {"fwUpgradeCapability": {"supportUpgrade": True, "upgradeProtocolType": "PCP"}}
    (lwm2m,) = read_profile(profile(omCapability=capability))
    assert lwm2m.maintenance == Maintenance(firmware_upgrade=True, upgrade_protocol=None)
    (mqtt,) = read_profile(profile(omCapability=capability, protocolType="MQTT"))
    assert mqtt.maintenance == Maintenance(firmware_upgrade=True, upgrade_protocol="PCP")


def test_the_guides_own_spelling_of_the_capability_is_read() -> None:
    device = {k: v for k, v in DEVICE.items() if k != "omCapability"} | {"omCapabilitiy": DEVICE["omCapability"]}
    assert read_profile(json.dumps({"devices": [device]}).encode()) == [MODEL]


def test_a_model_without_the_capability_cannot_be_upgraded() -> None:
    (model,) = read_profile(profile(omCapability=None))
    assert model.maintenance == Maintenance(firmware_upgrade=False, upgrade_protocol=None)


def test_what_old_profiles_call_coap_is_lwm2m() -> None:
    assert read_profile(profile(protocolType="CoAP")) == [MODEL]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        (b'{"devices":[]}', "devices"),
        (b"[" * 100_000, "JSON"),
        (profile(protocolType="lwm2m"), "devices.0.protocolType"),
        (profile(manufacturerName=""), "devices.0.manufacturerName"),
        (profile(model="a\nb"), "devices.0.model"),
        (json.dumps({"devices": [DEVICE, DEVICE]}).encode(), "twice"),
        (json.dumps({"devices": [DEVICE | {"model": str(n)} for n in range(101)]}).encode(), "devices"),
    ],
)
def test_a_wrong_profile_is_refused_by_what_is_wrong(data: bytes, named: str) -> None:
    assert named in why_refused(data)


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(NAME)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def encrypted() -> bytes:
    data = bytearray(packed((NAME, profile())))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", data, data.index(magic) + offset, 1)
    return bytes(data)


def with_backslash() -> bytes:
    return packed((NAME, profile()), ("a/evil", b"")).replace(b"a/evil", b"a\\evil")


def damaged() -> bytes:
    return packed((NAME, profile()), method=zipfile.ZIP_STORED).replace(b"XYZ", b"XYA")


def lying_about_its_size() -> bytes:
    data = bytearray(packed((NAME, b" " * (2 * ENTRY_LIMIT))))
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 100)
    return bytes(data)


def far_away() -> bytes:
    """Return a zip whose entry lies at byte 2^63, which no seek takes."""
    entry = zipfile.ZipInfo(NAME)
    entry.extra = struct.pack("<HHQ", 1, 8, 2**63)
    data = bytearray(packed((entry, profile())))
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 42, 0xFFFF_FFFF)
    return bytes(data)


def with_directory_of(entries: int, said: int = 1, before_end: bytes = b"") -> bytes:
    """Return a zip with a directory of so many entries and an end record that says another number."""
    directory = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, *[0] * 7, 1, *[0] * 6) + b"a"
    size = entries * len(directory)
    return b"PK" + directory * entries + before_end + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, said, size, 2, 0)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "no profile in it": (lambda: packed(("other.json", b"{}")), "has 0"),
    "two profiles": (lambda: packed((NAME, profile()), (f"x/{NAME}", profile())), "has 2"),
    "too many entries": (lambda: packed(*((f"{n}", b"") for n in range(513))), "513 entries"),
    "a name twice but for its case": (lambda: packed((NAME, profile()), (NAME.upper(), b"")), "twice"),
    "a path that leads out": (lambda: packed((NAME, profile()), ("../evil", b"")), "bad name"),
    "an absolute path": (lambda: packed((NAME, profile()), ("/etc/passwd", b"")), "bad name"),
    "a backslash": (with_backslash, "bad name"),
    "a drive": (lambda: packed((NAME, profile()), ("c:evil", b"")), "bad name"),
    "a control character": (lambda: packed((NAME, profile()), ("a\u202eb", b"")), "bad name"),
    "a symbolic link": (lambda: packed((link(), b"/etc/passwd")), "no file"),
    "an encrypted entry": (encrypted, "encrypted"),
    "a method of compression that is rare": (lambda: packed((NAME, profile()), method=zipfile.ZIP_LZMA), "encrypted"),
    "a profile that is too large": (lambda: packed((NAME, b" " * (ENTRY_LIMIT + 1))), "larger than"),
    "a bomb beside it": (lambda: packed((NAME, profile()), ("bomb", bytes(9 * 1024 * 1024))), "unpacks to more"),
    "a size that lies": (lying_about_its_size, "zip"),
    "an entry that lies too far away": (far_away, "damaged"),
    "more entries than its end says": (lambda: with_directory_of(513), "513 entries"),
    "more entries in its end than there are": (lambda: with_directory_of(1, said=513), "513 entries"),
    "a large directory": (lambda: with_directory_of(89_239), "directory has 4194233 bytes"),
    "an end record of ZIP64": (lambda: with_directory_of(1, before_end=b"PK\x06\x07" + bytes(16)), "ZIP64"),
    "half an end record": (lambda: b"PK\x05\x06" + bytes(17), "no end record"),
    "an end that is missing": (lambda: packed((NAME, profile()))[:-30], "damaged"),
    "bytes that are damaged": (damaged, "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_with_its_own_reason(name: str) -> None:
    make, why = HOSTILE[name]
    assert why in why_refused(make())


def test_a_large_directory_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert "directory" in why_refused(with_directory_of(89_239))


@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
def test_any_bytes_are_a_profile_or_refused(noise: bytes, at: int, replace: bool) -> None:
    whole = packed((NAME, profile()))
    data = whole[:at] + noise + whole[at + (len(noise) if replace else 0) :]
    for candidate in (data, b"PK" + noise, noise):
        with contextlib.suppress(InvalidError):
            assert read_profile(candidate)
