"""Objects 1, 3, 4 and 5 of one device and how it answers Reads of them (OMA TS 1.1.1 §6.3.1 and appendix E)."""

from typing import Final, Protocol

from sluice_simulator import encodings
from sluice_simulator import packet as coap
from sluice_simulator.coap import Reply
from sluice_simulator.coverage import Window, radio_class
from sluice_simulator.encodings import Resources, Value
from sluice_simulator.firmware import Firmware
from sluice_simulator.fleet import NO_ANSWER, DeviceSpec

RSRP: Final = 2
CELL: Final = 8
SINR: Final = 11

MANUFACTURER: Final = "Sluice"
MODEL: Final = "SIM-NB1"

_SERVER_INSTANCE: Final = "/1/0"
_CONNECTIVITY: Final = "/4/0"
_CELL_PATH: Final = "/4/0/8"
_INSTANCE_DEPTH: Final = 2
_RESOURCE_DEPTH: Final = 3
_NB_IOT: Final = 7


class ServerObject(Protocol):
    """What object 1 shows."""

    lifetime: int
    """`/1/0/1`, seconds."""


class Objects:
    """All readable resources of a device.

    Args:
        spec: Its traits.
        firmware: Its object 5.
        server: Its object 1.

    Attributes:
        cell: The cell that it is in now.
    """

    __slots__ = ("_firmware", "_reported", "_server_object", "_spec", "cell")

    def __init__(self, spec: DeviceSpec, firmware: Firmware, server: ServerObject) -> None:
        self._spec = spec
        self._firmware = firmware
        self._server_object = server
        self._reported: dict[int, int] = {}
        self.cell = spec.cell

    @property
    def window(self) -> Window | None:
        """The window that follows from what Reads of object 4 were answered last; None without a cell ID."""
        cell = self._reported.get(CELL)
        if cell is None:
            return None
        return cell, radio_class(self._reported.get(RSRP), self._reported.get(SINR))

    def read(self, path: str, accept: int | None) -> Reply | None:
        """The answer to a Read of an instance or resource; None where this device gives none."""
        error = self._read_error(path)
        if error is not None:
            self._note(path, {})
            return None if error == NO_ANSWER else Reply(error)
        content = self._content(path)
        if content is None:
            return Reply(coap.NOT_FOUND)
        single = path.count("/") == _RESOURCE_DEPTH
        content_format = self._format(accept, content, single=single)
        if content_format is None:
            return Reply(coap.NOT_ACCEPTABLE)
        self._note(path, content)
        options = ((coap.CONTENT_FORMAT, coap.uint_bytes(content_format)),)
        return Reply(coap.CONTENT, options, _encode(content_format, path, content))

    def encode(self, path: str, content_format: int) -> bytes:
        """A resource that exists in a content format that a Read of it was answered in."""
        return _encode(content_format, path, self._content(path) or {})

    def _read_error(self, path: str) -> int | None:
        read_errors = self._spec.read_errors
        if path in read_errors:
            return read_errors[path]
        # Where the whole instance is unreadable its resources are too, but for the cell ID, which is queried apart.
        return None if path == _CELL_PATH else read_errors.get(path.rpartition("/")[0])

    def _note(self, path: str, content: Resources) -> None:
        """Remember what the platform has been told of the radio; a whole instance replaces it."""
        if not path.startswith(_CONNECTIVITY):
            return
        if path == _CONNECTIVITY:
            self._reported.clear()
        self._reported.update(
            (key, value) for key, value in content.items() if key in {RSRP, CELL, SINR} and isinstance(value, int)
        )

    def _content(self, path: str) -> Resources | None:
        parts = path.split("/")[1:]
        instance = "/" + "/".join(parts[:_INSTANCE_DEPTH])
        resources = self._instance(instance, whole=len(parts) == _INSTANCE_DEPTH)
        if len(parts) == _INSTANCE_DEPTH:
            return resources or None
        if len(parts) != _RESOURCE_DEPTH or not parts[2].isdecimal():
            return None
        key = int(parts[2])
        return {key: resources[key]} if key in resources else None

    def _instance(self, path: str, *, whole: bool) -> Resources:
        if path == _CONNECTIVITY:
            return self._connectivity(whole=whole)
        if path == "/5/0":
            return self._firmware_update()
        if path == "/3/0":
            return self._device()
        return self._server() if path == _SERVER_INSTANCE else {}

    def _server(self) -> Resources:
        return {0: 1, 1: self._server_object.lifetime, 6: False, 7: self._binding()}

    def _device(self) -> Resources:
        return {
            0: MANUFACTURER,
            1: MODEL,
            2: f"SN{self._spec.index:08d}",
            3: self._firmware.version,
            11: {0: 0},
            16: self._binding(),
        }

    def _connectivity(self, *, whole: bool) -> Resources:
        coverage = self._spec.coverage
        resources: dict[int, Value] = {0: _NB_IOT, 1: {0: _NB_IOT}}
        if coverage.rsrp is not None:
            resources[RSRP] = coverage.rsrp
        resources |= {3: -11, 4: {0: f"10.0.{self._spec.index >> 8 & 255}.{self._spec.index & 255}"}}
        if coverage.cell_in_instance or not whole:
            resources[CELL] = self.cell
        resources |= {9: 1, 10: 460}
        if coverage.sinr is not None:
            resources[SINR] = coverage.sinr
        return resources

    def _firmware_update(self) -> Resources:
        firmware = self._firmware
        resources: dict[int, Value] = {3: int(firmware.state), 5: int(firmware.result)}
        if firmware.package_version and self._spec.dialect.lwm2m == "1.1":
            resources[7] = firmware.package_version
        if self._spec.dialect.delivery_resource == 8:  # noqa: PLR2004 - LiteOS, see dialects
            return {1: firmware.uri, **resources, 8: 0}
        return resources | {8: {0: 0}, 9: 0}

    def _binding(self) -> str:
        sleeps = self._spec.rhythm.awake_seconds is not None
        return "UQ" if sleeps and self._spec.dialect.lwm2m == "1.0" else "U"

    def _format(self, accept: int | None, content: Resources, *, single: bool) -> int | None:
        """The content format of the answer; None for 4.06."""
        dialect = self._spec.dialect
        texts = single and not isinstance(next(iter(content.values())), dict)
        own = dialect.single if texts else dialect.instance
        if accept is None:
            return own
        possible = accept in dialect.formats and (texts or accept != encodings.TEXT)
        if possible:
            return accept
        return None if dialect.strict_accept else own


def _encode(content_format: int, path: str, content: Resources) -> bytes:
    if content_format == encodings.TEXT:
        return encodings.encode_text(next(iter(content.values())))
    if content_format == encodings.TLV:
        return encodings.encode_tlv(content)
    instance = "/".join(path.split("/")[: _INSTANCE_DEPTH + 1])
    if content_format == encodings.SENML_JSON:
        return encodings.encode_senml_json(instance, content)
    return encodings.encode_senml_cbor(instance, content)
