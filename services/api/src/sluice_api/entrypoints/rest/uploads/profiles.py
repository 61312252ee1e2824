"""Huawei's product profiles: from `devicetype-capability.json`, alone or in its zip, to product models.

What firmware upgrades need is taken: manufacturer, model, device type, protocol and the maintenance capability
(`omCapability.fwUpgradeCapability`, R010–R013). Services, properties and codecs are left out.

The zip comes from strangers and is opened here, in the API, because it is small: its end record is checked before its
directory is read, names, kinds, number and sizes of all entries before the one that is wanted is read, and of that no
more than `ENTRY_LIMIT` bytes. Packages are another matter and are opened by the signing service alone.
"""

import io
import stat
import struct
import zipfile
import zlib
from typing import Annotated

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from sluice_api.domain.errors import FieldError, InvalidError
from sluice_api.domain.models import Protocol
from sluice_api.entrypoints.rest.schemas.products import Maintenance, ProductIn

ENTRY_LIMIT = 256 * 1024
"""Most bytes of the profile itself."""
_MAX_ENTRIES = 512
_MAX_DIRECTORY = _MAX_ENTRIES * 512
"""Most bytes of the central directory: the library reads as much of it as the end record says, whatever the number."""
_MAX_BYTES = 8 * 1024 * 1024
_MAX_NAME = 255
_MAX_DEVICES = 100
_ERRORS_SHOWN = 100
_PROFILE = "profile/devicetype-capability.json"
_ZIP_MAGIC = b"PK"
_END = struct.Struct("<4s4H2IH")
_END_MAGIC = b"PK\x05\x06"
_END_SEARCHED = _END.size + 65_536
"""The record and its longest comment, as far as the library looks for it (APPNOTE 4.3.16)."""
_ZIP64_LOCATOR_MAGIC = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
)
"""What the library raises at zips that are damaged, or made to damage; RuntimeError also for methods that it lacks."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_PROTOCOLS = {"LWM2M": Protocol.LWM2M, "CoAP": Protocol.LWM2M, "MQTT": Protocol.MQTT}
"""`CoAP` is what old profiles call LwM2M."""

_Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Capability(BaseModel):
    support_upgrade: bool = Field(alias="supportUpgrade")
    protocol: str | None = Field(None, alias="upgradeProtocolType", max_length=32)


class _Maintenance(BaseModel):
    firmware: _Capability | None = Field(None, alias="fwUpgradeCapability")


class _DeviceType(BaseModel):
    manufacturer: _Name = Field(alias="manufacturerName")
    model: _Name
    protocol: str = Field(alias="protocolType")
    device_type: _Name = Field(alias="deviceType")
    # The second spelling is the guide's own.
    maintenance: _Maintenance | None = Field(
        None, validation_alias=AliasChoices("omCapability", "omCapabilitiy", "omCapabilities")
    )


class _Profile(BaseModel):
    devices: list[_DeviceType] = Field(min_length=1, max_length=_MAX_DEVICES)


def read_profile(data: bytes) -> list[ProductIn]:
    """Return the product models of a profile, as new products.

    Args:
        data: The zip, or the JSON alone.

    Raises:
        InvalidError: Neither of them, hostile, or a field is wrong.
    """
    text = _from_zip(data) if data.startswith(_ZIP_MAGIC) else data
    try:
        profile = _Profile.model_validate_json(text.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        raise _wrong_fields(error) from error
    models = [_product(number, device) for number, device in enumerate(profile.devices)]
    if len({(m.manufacturer, m.model) for m in models}) < len(models):
        raise _bad("it has the same model twice")
    return models


def _product(number: int, device: _DeviceType) -> ProductIn:
    protocol = _PROTOCOLS.get(device.protocol)
    if protocol is None:
        message = f"must be one of {', '.join(_PROTOCOLS)}, in this case"
        raise InvalidError(f"devices.{number}.protocolType", message, "bad_profile")
    firmware = device.maintenance and device.maintenance.firmware
    return ProductIn(
        manufacturer=device.manufacturer,
        model=device.model,
        device_type=device.device_type,
        protocol=protocol,
        maintenance=Maintenance(
            firmware_upgrade=bool(firmware and firmware.support_upgrade),
            upgrade_protocol=_upgrade_protocol(protocol, firmware.protocol) if firmware else None,
        ),
    )


def _upgrade_protocol(protocol: Protocol, given: str | None) -> str | None:
    # Not looked at for MQTT (R013); of an LwM2M product only LWM2M lets firmware upgrades through (R012).
    return (given or None) if protocol is Protocol.MQTT or given == Protocol.LWM2M else None


def _from_zip(data: bytes) -> bytes:
    _check_end(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive, _find(archive.infolist()))
    except _UNREADABLE as error:
        raise _bad(f"the zip is damaged or of a kind that is not read: {error}") from error


def _check_end(data: bytes) -> None:
    """Refuse a directory that is too large before it is parsed, and ZIP64, whose record would count instead."""
    start = data.rfind(_END_MAGIC, -_END_SEARCHED)
    if start < 0 or len(data) < start + _END.size:
        raise _bad("the zip is damaged: it has no end record")
    if data[:start][-_ZIP64_LOCATOR_BYTES:].startswith(_ZIP64_LOCATOR_MAGIC):
        raise _bad("the zip is of a kind that is not read: ZIP64")
    *_, number, size, _, _ = _END.unpack_from(data, start)
    _check_number(number)
    if size > _MAX_DIRECTORY:
        raise _bad(f"the zip's directory has {size} bytes, the most are {_MAX_DIRECTORY}")


def _check_number(entries: int) -> None:
    if entries > _MAX_ENTRIES:
        raise _bad(f"the zip has {entries} entries, the most are {_MAX_ENTRIES}")


def _find(entries: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    _check_number(len(entries))
    seen: set[str] = set()
    for entry in entries:
        _check(entry)
        if entry.filename.casefold() in seen:
            raise _bad(f"the zip has {entry.filename!r} twice")
        seen.add(entry.filename.casefold())
    if sum(entry.file_size for entry in entries) > _MAX_BYTES:
        raise _bad(f"the zip unpacks to more than {_MAX_BYTES} bytes")
    # Some tools put everything into one folder.
    found = [e for e in entries if e.filename == _PROFILE or e.filename.partition("/")[2] == _PROFILE]
    if len(found) != 1:
        raise _bad(f"the zip needs one {_PROFILE} and has {len(found)}")
    return found[0]


def _check(entry: zipfile.ZipInfo) -> None:
    # As it is written: the library cuts names at NUL and turns separators round.
    name = entry.orig_filename
    bad = not name.isprintable() or "\\" in name or ":" in name or len(name) > _MAX_NAME
    if bad or any(part in {"", ".", ".."} for part in name.removesuffix("/").split("/")):
        raise _bad(f"the zip has an entry of the bad name {name[:_MAX_NAME]!r}")
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        raise _bad(f"{name!r} is encrypted, or compressed in a way that is not read")
    if stat.S_IFMT(entry.external_attr >> 16) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise _bad(f"{name!r} is no file")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # The size that the entry claims is its own word: what comes out counts.
    with archive.open(entry) as file:
        text = file.read(ENTRY_LIMIT + 1)
    if len(text) > ENTRY_LIMIT:
        raise _bad(f"{entry.filename} is larger than {ENTRY_LIMIT} bytes")
    return text


def _bad(why: str) -> InvalidError:
    return InvalidError("profile", why, "bad_profile")


def _wrong_fields(error: ValidationError) -> InvalidError:
    found = error.errors(include_url=False, include_input=False, include_context=False)[:_ERRORS_SHOWN]
    first, *others = (FieldError(".".join(map(str, e["loc"])) or "profile", str(e["msg"])) for e in found)
    return InvalidError(first.field, first.message, "bad_profile", others)
